"""What a page is made of: sections of text, figures and tables, as plain records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dashboards.study import DRAWN_BEST, StudyData, Words, records
from dashboards.theme import Chart


@dataclass(frozen=True)
class Cell:
    """What is shown, and the number behind it where there is one: tables are sorted by that."""

    text: str
    number: float | None = None
    trial: int | None = None  # a button that highlights this trial in all figures


@dataclass(frozen=True, kw_only=True)
class Table:
    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    folded: str = ""  # the words that open it; empty: it stands open

    @property
    def numeric(self) -> list[bool]:
        """Which columns hold numbers, to be set to the right."""
        return [any(row[place].number is not None for row in self.rows) for place in range(len(self.headings))]


@dataclass(frozen=True, kw_only=True)
class Figure:
    chart: Chart
    says: str  # for those who cannot see it
    wide: bool = False  # rather scrolled sideways than squeezed


@dataclass(frozen=True, kw_only=True)
class Download:
    file: str
    text: str
    button: str


@dataclass(frozen=True, kw_only=True)
class Section:
    name: str  # its anchor
    title: str
    text: Sequence[str] = ()
    points: Sequence[tuple[str, str]] = ()  # what is the case, and what to do
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    download: Download | None = None


@dataclass(frozen=True, kw_only=True)
class Card:
    """One of the three answers on the first screen."""

    title: str
    text: Sequence[str]
    commands: Sequence[tuple[str, str]] = ()  # what for, and what to type
    link: tuple[str, str] | None = None  # anchor and words


def table(
    frame: pd.DataFrame, columns: Mapping[str, tuple[str, str]], *, note: str = "", folded: str = "", without: str = ""
) -> Table:
    """Heading -> column of the frame and its form: `text`, `trial`, or how a number is written, such as `.4f`."""
    rows = [[cell(row[column], form, without) for column, form in columns.values()] for row in records(frame)]
    return Table(headings=[*columns], rows=rows, note=note, folded=folded)


def cell(value: Any, form: str = "text", without: str = "") -> Cell:
    """`without` stands where there is no value."""
    if value is None or value != value:
        return Cell(without)
    if form == "text":
        return Cell(str(value))
    if form == "trial":
        return Cell(f"{value:03d}", float(value), int(value))
    return Cell(format(value, form), float(value))


def empty(name: str, words: Words, why: str, **values: object) -> Section:
    """Nothing is left out without a word."""
    text = words["nothing_yet"].format(why=words[why].format(**values))
    return Section(name=name, title=words[f"section_{name}"], text=[text])


def thinned(study: StudyData, words: Words) -> list[str]:
    """That not all trials are drawn, where it is so."""
    drawn, there = len(study.drawn()), len(study.trials)
    return [words["shown_of"].format(drawn=drawn, all=there, best=DRAWN_BEST)] if drawn < there else []


def cut_off(study: StudyData, words: Words) -> list[str]:
    """That some reports lie outside the figures of the objective, where it is so."""
    limit = study.limit()
    return [] if limit is None else [words["cut_off"].format(limit=limit)]


def of_folds(study: StudyData, words: Words) -> list[str]:
    """That the rows were not all answered by one model, where it is so."""
    folds = study.evaluation.get("folds")
    return [words["of_folds"].format(folds=len(folds))] if folds else []


def has_several_labels(study: StudyData) -> bool:
    """Whether a row may have several."""
    return study.data.get("task") == "multi_label"


def said_state(state: str, words: Words) -> str:
    """In the page's language; a state that it does not know by its own name."""
    return words.get(f"state_{state.lower()}", state.lower())

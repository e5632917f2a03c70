"""The page about a study: a plain list of sections, in the order in which a person asks."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from dashboards import (
    answer,
    best_so_far,
    calibration,
    classes,
    confirmation,
    costs,
    doubts,
    first_screen,
    importance,
    interactions,
    learning_curves,
    parallel_coordinates,
    pareto,
    rungs,
    slices,
    verdicts,
)
from dashboards.answer import Answer
from dashboards.doubts import Doubt
from dashboards.english import WORDS as ENGLISH
from dashboards.first_screen import Step
from dashboards.importance import Importance
from dashboards.korean import WORDS as KOREAN
from dashboards.page import render
from dashboards.section import Cell, Download, Section, Table, cell, empty, said_state
from dashboards.study import StudyData, Words, said
from dashboards.theme import STATES
from dashboards.verdicts import Verdict

LANGUAGES: dict[str, Words] = {"en": ENGLISH, "ko": KOREAN}
LISTED = 500  # trials in the table


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What is computed once and told in several places."""

    study: StudyData
    answer: Answer | None
    importance: Importance | None
    verdicts: list[Verdict]
    doubts: list[Doubt]


@dataclass(frozen=True, kw_only=True)
class NextStudy:
    """A study file that follows from this one, or why there is none."""

    file: str = ""
    text: str = ""
    unchecked: str = ""  # why it could not be checked; empty: it was, and passed
    none: str = ""  # why there is none


def findings(study: StudyData) -> Findings:
    found, mattered = answer.data(study), importance.data(study)
    judged = verdicts.data(study, mattered)
    raised = doubts.data(doubts.Found(study=study, answer=found, importance=mattered, verdicts=judged))
    return Findings(study=study, answer=found, importance=mattered, verdicts=judged, doubts=raised)


def page(found: Findings, followed: NextStudy, steps: Sequence[Step], language: str) -> str:
    """One HTML file."""
    study, words = found.study, LANGUAGES[language]
    mattered = found.importance
    by_importance = [*mattered.frame["parameter"]] if mattered else [one.name for one in study.parameters]
    counts = Counter(study.trials["state"].str.lower().mask(study.trials["trial"] == study.winner, "winner"))
    return render(
        title=words["title"].format(study=study.name),
        about=first_screen.about(study, words),
        headline=first_screen.headline(study, found.answer, words),
        cards=[
            first_screen.best(study, found.answer, words),
            first_screen.sure(study, found.answer, words),
            first_screen.what_next(found.doubts, steps, words),
        ],
        sections=[
            *([pareto.section(study, words)] if study.aims else []),
            doubts.section(found.doubts, words),
            confirmation.section(study, words),
            learning_curves.section(study, words),
            best_so_far.section(study, words),
            parallel_coordinates.section(study, words),
            importance.section(study, mattered, words),
            slices.section(study, words),
            interactions.section(study, by_importance, words),
            rungs.section(study, words),
            classes.section(study, words),
            calibration.section(study, words),
            costs.section(study, words),
            next_study(followed, words),
            all_trials(study, words),
            origin(study, words),
        ],
        states={**{state: counts.pop(state, 0) for state in STATES}, **counts},
        words=words,
        language=language,
    )


def next_study(followed: NextStudy, words: Words) -> Section:
    title = words["section_next"]
    if followed.none:
        return Section(name="next", title=title, text=[words["why_no_next"].format(reason=followed.none)])
    text = words["text_next_unchecked" if followed.unchecked else "text_next"].format(reason=followed.unchecked)
    button = words["download"].format(file=followed.file)
    download = Download(file=followed.file, text=followed.text, button=button)
    return Section(name="next", title=title, text=[text], download=download)


def all_trials(study: StudyData, words: Words) -> Section:
    """Best first, and then those without a value."""
    if study.trials.empty:
        return empty("trials", words, "why_no_trials")
    listed = pd.concat([study.trials.loc[study.scored.index], study.trials[study.trials["value"].isna()]])[:LISTED]
    rows = [
        [
            cell(row["trial"], "trial"),
            Cell(said_state(row["state"], words)),
            cell(row["value"], ".4f"),
            cell(row["epochs"], "g"),
            cell(row["seconds"], ",.1f"),
            *(of_parameter(value) for value in params),
            Cell(row["reason"]),
        ]
        for (_, row), params in zip(
            listed.iterrows(), study.params.loc[listed.index].itertuples(index=False), strict=True
        )
    ]
    headings = [words["trial"], words["state"], study.metric, words["epochs"], words["seconds"], *study.params]
    note = words["sort_hint"]
    if len(study.trials) > LISTED:
        note += " " + words["table_of"].format(shown=LISTED, all=len(study.trials))
    table = Table(headings=[*headings, words["reason"]], rows=rows, note=note)
    return Section(name="trials", title=words["section_trials"], text=[words["text_trials"]], tables=[table])


def of_parameter(value: object) -> Cell:
    if value is None or value != value:
        return Cell("")
    return Cell(said(value), float(value) if isinstance(value, (int, float)) and value is not bool(value) else None)


def origin(study: StudyData, words: Words) -> Section:
    rows = [[Cell(name), Cell(value)] for name, value in study.origin.items() if value]
    tables = [Table(headings=[words["what"], words["value"]], rows=rows)] if rows else []
    return Section(name="origin", title=words["section_origin"], text=[words["text_origin"]], tables=tables)

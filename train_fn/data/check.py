"""What labelled texts must be like, and what is said where they are not."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
import pandas as pd

from train_fn.data.config import DataConfig
from train_fn.errors import DataError


def labelled_texts(table: pd.DataFrame, config: DataConfig, place: str) -> pd.DataFrame:
    """Columns `text`, perhaps `pair`, and `label`: row for row what the table holds; nothing is dropped or mended.

    Of a ranking, `text` is the query and `pair` the text to be set in order, as the model reads them. Labels are
    strings, or numbers for the other tasks.
    """
    if table.empty:
        raise DataError(f"{place}: there must be rows to learn from, got none; add labelled texts")
    columns = {"text": "query", "pair": "text"} if config.query else {"text": "text", "pair": "text_pair"}
    columns = {name: field for name, field in columns.items() if getattr(config, field) is not None}
    for field in (*columns.values(), "label"):
        check_column(table, getattr(config, field), field, place)
    read = labels if config.task == "classification" else numbers
    wanted = read(table[config.label], config, place)
    found = {name: texts(table[getattr(config, field)], field, place) for name, field in columns.items()}
    return pd.DataFrame(found | {"label": wanted})


def texts(column: pd.Series, field: str, place: str) -> list[str]:
    found = [None if is_missing(value) else str(value) for value in column]
    refuse_rows(place, f"must have a {field}", [text is None for text in found], "fill in these rows or delete them")
    garbled = [not is_unicode(text) for text in found]
    refuse_rows(place, f"must have a {field} of valid Unicode", garbled, "look for half an emoji there")
    return [str(text) for text in found]


def labels(column: pd.Series, config: DataConfig, place: str) -> list[str]:
    found = [None if is_missing(value) else label_name(value, place) for value in column]
    refuse_rows(place, "must have a label", [label is None for label in found], "label these rows or delete them")
    stray = [label != str(label).strip() for label in found]
    refuse_rows(place, "must have a label without blanks around it", stray, "strip them, or they count as other labels")
    return [str(label) for label in found]


def numbers(column: pd.Series, config: DataConfig, place: str) -> list[float]:
    """Labels that are quantities; one that is written as text counts if it reads as a number."""
    missing = [is_missing(value) for value in column]
    refuse_rows(place, "must have a label", missing, "label these rows or delete them")
    found = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float)
    rule = f"must have a finite number as its label for {config.task}"
    refuse_rows(place, rule, (~np.isfinite(found)).tolist(), "correct these labels or delete the rows")
    if config.task == "ranking":
        refuse_rows(place, "must have a grade of 0 or more", (found < 0).tolist(), "count grades from 0 = irrelevant")
    return found.tolist()


def check_numbers_differ(table: pd.DataFrame, task: str) -> None:
    if table["label"].nunique() < 2:
        raise DataError(
            f"there must be two different labels or more to learn {task} from, got only {table['label'].iloc[0]:g}; "
            "check that `label` names the right column"
        )


def check_column(table: pd.DataFrame, column: str, field: str, place: str) -> None:
    if column in table:
        return
    names = [str(name) for name in table.columns]
    nearest = get_close_matches(column, names, n=1)
    way_out = f"did you mean {nearest[0]!r}?" if nearest else f"set `{field}` to one of them"
    raise DataError(f"{place}: `{field}` must name a column, got {column!r}; columns are {', '.join(names)}; {way_out}")


def is_missing(value: Any) -> bool:
    return not value.strip() if isinstance(value, str) else bool(np.all(pd.isna(value)))


def label_name(value: Any, place: str) -> str:
    """One class has one name however its column is typed: 1 beside missing values is read as 1.0, and is "1" still."""
    if isinstance(value, str | bool | np.bool_ | int | np.integer):
        return str(value)
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    raise DataError(
        f"{place}: a label must be a string, a whole number or a bool, got {value!r}; name the column of classes"
    )


def is_unicode(text: str | None) -> bool:
    """Half of a surrogate pair, as cut-off JSON escapes leave it, can be neither stored nor tokenized."""
    try:
        str(text).encode()
    except UnicodeEncodeError:
        return False
    return True


def refuse_rows(place: str, rule: str, broken: Sequence[bool], way_out: str) -> None:
    if any(broken):
        got = f"got {sum(broken):,} without, the first in data row {list(broken).index(True) + 1:,}"
        raise DataError(f"{place}: every row {rule}, {got}; {way_out}")


def check_classes(table: pd.DataFrame) -> None:
    if table["label"].nunique() < 2:
        raise DataError(
            f"there must be two labels or more to tell apart, got only {table['label'].iloc[0]!r}; "
            "check that `label` names the right column"
        )


def check_rows_per_label(table: pd.DataFrame, splits: Sequence[str]) -> None:
    """A stratified split has a row of every label on each side."""
    counts = table["label"].value_counts()
    rare = [f"{label!r} ({count})" for label, count in sorted(counts.items()) if count < len(splits)]
    if rare:
        raise DataError(
            f"a stratified split into {', '.join(splits)} needs {len(splits)} rows of every label, "
            f"got fewer of {shortened(rare)}; add rows, delete these, or give the splits as files"
        )


def check_labels_known(splits: dict[str, pd.DataFrame]) -> None:
    known = set(splits["train"]["label"])
    for split, table in splits.items():
        unknown = sorted(set(table["label"]) - known)
        if unknown:
            raise DataError(
                f"the {split} split must have labels that train has, got {shortened(map(repr, unknown))} besides; "
                "add such rows to train, or delete them here"
            )


def shortened(names: Iterable[str], most: int = 5) -> str:
    names = list(names)
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest

"""What the splits must be like as a whole, and what is said where they are not."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from train_fn.data.examples import FEATURE
from train_fn.errors import DataError


def check_numbers_differ(table: pd.DataFrame, task: str) -> None:
    if table["label"].nunique() < 2:
        raise DataError(
            f"there must be two different labels or more to learn {task} from, got only {table['label'].iloc[0]:g}; "
            "check that `label` names the right column"
        )


def check_classes(table: pd.DataFrame) -> None:
    labels = table["label"].explode().dropna().unique()
    if len(labels) < 2:
        raise DataError(
            f"there must be two labels or more to tell apart, got only {', '.join(map(repr, labels)) or 'none'}; "
            "check that `label` names the right column"
        )


def check_labels_repeat(table: pd.DataFrame, place: str) -> None:
    """A label says what rows have in common; an index or a name of each row says nothing."""
    labels = table["label"].dropna()
    if len(labels) > 2 and labels.is_unique:
        raise DataError(
            f"{place}: labels must repeat, got a label of its own in every row, such as {str(labels.iloc[0])[:40]!r}; "
            "name the column of classes, or set `cleaning: {single_labels: keep}`"
        )


def check_columns_agree(tables: Mapping[str, pd.DataFrame]) -> None:
    """What is learned from one column in train must be found in it elsewhere; where nothing stands, both will do."""
    first, *others = tables
    for other in others:
        one, two = tables[first], tables[other]
        for name in (str(column) for column in one if str(column).startswith(FEATURE)):
            column = name.removeprefix(FEATURE)
            if name not in two:
                raise DataError(
                    f"{other} must have the columns that {first} has, got no {column!r}; add it, or name `columns`"
                )
            numeric = [pd.api.types.is_numeric_dtype(table[name]) for table in (one, two) if table[name].notna().any()]
            if len(set(numeric)) == 2:
                kinds = [("words", "numbers")[kind] for kind in numeric]
                raise DataError(
                    f"the column {column!r} must be of one kind, got {kinds[0]} in {first} and {kinds[1]} in {other}; "
                    "look for a word among its numbers"
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
    """Also where a row has several labels."""
    known = set(splits["train"]["label"].explode())
    for split, table in splits.items():
        unknown = sorted(set(table["label"].explode().dropna()) - known)
        if unknown:
            raise DataError(
                f"the {split} split must have labels that train has, got {shortened(map(repr, unknown))} besides; "
                "add such rows to train, or delete them here"
            )


def shortened(names: Iterable[str], most: int = 5) -> str:
    names = list(names)
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest

"""What is left out of the rows, or written in another way, before they are split; and a count of each.

The rules hold one after the other, so that no row is counted twice: one without a label is no duplicate.
"""

import unicodedata
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from train_fn.data.config import CleaningConfig, DataConfig
from train_fn.data.contents import columns_of_input, numbered
from train_fn.data.examples import FEATURE
from train_fn.data.report import finding, row_numbers
from train_fn.errors import DataError

Findings = list[dict[str, Any]]
Mask = NDArray[np.bool_]


def clean(table: pd.DataFrame, config: DataConfig, place: str, training: bool) -> tuple[pd.DataFrame, Findings]:
    """The rows that stay, with their index, and what was found in all of them.

    Only what is trained on loses duplicates, conflicts and single labels (`training`): a test is taken as it is given.
    Rows without a column `label` are taken to need none. Raises DataError where a rule says `refuse`, or no row stays.
    """
    rules, found = config.cleaning, Findings()
    written = table
    table = rewrite_inputs(table, rules, place, found)
    if "label" in table:
        table = strip_labels(table, rules, place, found)
        table = drop_missing_labels(table, written, rules, place, found)
    table = drop_missing_inputs(table, written, rules, place, found)
    if training and "label" in table:
        table = drop_duplicates(table, written, rules, place, found)
        table = drop_conflicts(table, config, place, found)
        table = drop_single_labels(table, config, place, found)
    if table.empty:
        dropped = "; ".join(f"{line['what']} ({line['rows']:,})" for line in found if line["done"] == "dropped")
        raise DataError(
            f"{place}: rows must be left after cleaning, got none of {len(written):,}: {dropped}; "
            "correct the file, or set `cleaning` to keep them"
        )
    return table, found


def rewrite_inputs(table: pd.DataFrame, rules: CleaningConfig, place: str, found: Findings) -> pd.DataFrame:
    """Words in one way to write what looks the same, and without blanks around them."""
    composed, stripped = np.zeros((2, len(table)), dtype=bool)
    changed = {}
    for name in columns_of_input(table):
        if not is_text(table[name]):
            continue
        before = texts(table[name])
        normal = before if rules.unicode == "keep" else [normalized(text, rules.unicode) for text in before]
        bare = normal if rules.blanks == "keep" else [text and text.strip() for text in normal]
        composed |= differ(before, normal)
        stripped |= differ(normal, bare) & np.array([bool(text) for text in bare], dtype=bool)
        if (composed | stripped).any() or differ(normal, bare).any():
            changed[name] = pd.Series(bare, index=table.index, dtype=table[name].dtype)
    note(found, table, composed, f"text not in {rules.unicode}", "rewritten", place)
    note(found, table, stripped, "blanks around a text", "stripped", place)
    return table.assign(**changed)


def is_text(column: pd.Series) -> bool:
    return column.name in ("text", "pair") or (str(column.name).startswith(FEATURE) and column.dtype in ("str", object))


def texts(column: pd.Series) -> list[str | None]:
    return [cell if isinstance(cell, str) else None for cell in column.tolist()]


def normalized(text: str | None, form: str) -> str | None:
    return text and unicodedata.normalize(form, text)  # type: ignore[arg-type]


def differ(one: list[str | None], other: list[str | None]) -> Mask:
    if one is other:
        return np.zeros(len(one), dtype=bool)
    return np.array([before != after for before, after in zip(one, other, strict=True)], dtype=bool)


def strip_labels(table: pd.DataFrame, rules: CleaningConfig, place: str, found: Findings) -> pd.DataFrame:
    """Or "love" and "love " would be two classes; what is all blank counts as missing later."""
    if rules.blanks == "keep" or pd.api.types.is_numeric_dtype(table["label"]):
        return table
    before = table["label"].tolist()
    after = [stripped_label(label) for label in before]
    stray = np.array(
        [isinstance(old, str | list) and bool(new) and old != new for old, new in zip(before, after, strict=True)],
        dtype=bool,
    )
    note(found, table, stray, "blanks around a label", "stripped", place)
    return table.assign(label=pd.Series(after, index=table.index, dtype=table["label"].dtype))


def stripped_label(label: Any) -> Any:
    if isinstance(label, list):
        return [name.strip() for name in label if name.strip()]
    return label.strip() if isinstance(label, str) else label


def drop_missing_labels(
    table: pd.DataFrame, written: pd.DataFrame, rules: CleaningConfig, place: str, found: Findings
) -> pd.DataFrame:
    """Of several labels, none at all is an answer too; it is missing only where nothing stands."""
    choice, labels = rules.missing_labels, table["label"]
    if not any(isinstance(label, float) and not np.isnan(label) for label in labels):
        missing, empty = is_empty(labels), is_empty(written["label"], blank=False)
        details = {"empty": int(empty.sum()), "blank": int((missing & ~empty).sum())}
        return settle(table, missing, "label missing", "must have a label", choice, place, found, details)
    missing, empty = labels.isna().to_numpy(), np.array([label is None for label in labels])
    details = {"empty": int(empty.sum()), "no number": int((missing & ~empty).sum())}
    table = settle(table, missing, "label missing", "must have a label", choice, place, found, details)
    table = table.assign(label=table["label"].astype(float))
    numbers = table["label"].to_numpy(dtype=float)
    signs = {"inf": int((numbers == np.inf).sum()), "-inf": int((numbers == -np.inf).sum())}
    rule = "must have a finite number as its label"
    return settle(table, np.isinf(numbers), "label infinite", rule, choice, place, found, signs)


def drop_missing_inputs(
    table: pd.DataFrame, written: pd.DataFrame, rules: CleaningConfig, place: str, found: Findings
) -> pd.DataFrame:
    """A text, a pair or an image; of the columns of a table some may be missing, but not all."""
    names = columns_of_input(table)
    before = written.loc[table.index]
    if "text" in names:
        missing = np.any([is_empty(table[name]) for name in names], axis=0)
        empty = np.any([is_empty(before[name], blank=False) for name in names], axis=0)
        details = {"empty": int(empty.sum()), "blank": int((missing & ~empty).sum())}
        return settle(table, missing, "text missing", "must have a text", rules.missing_inputs, place, found, details)
    if "image" in names:
        missing = table["image"].isna().to_numpy(dtype=bool)
        what, rule = "image missing or unreadable", "must have an image that can be read"
    else:
        missing = table[names].isna().all(axis=1).to_numpy(dtype=bool)
        what, rule = "all columns missing", "must have a value in some column"
    return settle(table, missing, what, rule, rules.missing_inputs, place, found)


def is_empty(column: pd.Series, blank: bool = True) -> Mask:
    """Whether nothing stands in a cell, or nothing but blanks; an empty list does stand there."""
    cells = column.tolist()
    return np.array(
        [
            not (cell.strip() if blank else cell) if isinstance(cell, str) else not isinstance(cell, list)
            for cell in cells
        ],
        dtype=bool,
    )


def drop_duplicates(
    table: pd.DataFrame, written: pd.DataFrame, rules: CleaningConfig, place: str, found: Findings
) -> pd.DataFrame:
    columns = [*columns_of_input(table), "label"]
    numbers = numbered(table[columns])
    again = pd.Series(numbers).duplicated().to_numpy()
    if not again.any():
        return table
    details = groups(numbers)
    as_written = groups(numbered(written.loc[table.index, columns]))
    if as_written != details:
        details["as written"] = as_written
    return settle(
        table, again, "repeats another row", "must differ from the others", rules.duplicates, place, found, details
    )


def groups(numbers: NDArray[np.int64]) -> dict[str, Any]:
    """How many rows are alike, in groups of which size, and how many rows there are beside the first of each group."""
    sizes = np.bincount(numbers)
    several = sizes[sizes > 1]
    return {
        "rows": int(several.sum()),
        "surplus": int((several - 1).sum()),
        "groups": counted(several),
    }


def counted(sizes: NDArray[Any]) -> dict[str, int]:
    """Size -> number of groups; the keys are strings, as those of JSON are."""
    return {str(size): int(count) for size, count in zip(*np.unique(sizes, return_counts=True), strict=True)}


def drop_conflicts(table: pd.DataFrame, config: DataConfig, place: str, found: Findings) -> pd.DataFrame:
    """Rows whose input stands under several labels: nobody can say which one is right, so all of them go.

    Numbers are no conflict: two measurements of the same thing are expected to differ.
    """
    if config.task == "regression":
        return table
    inputs, labels = numbered(table[columns_of_input(table)]), numbered(table[["label"]])
    different = pd.DataFrame({"input": inputs, "label": labels}).drop_duplicates()["input"].value_counts()
    torn = different[different > 1]
    details = {"inputs": len(torn), "labels": counted(torn.to_numpy())}
    return settle(
        table,
        np.isin(inputs, torn.index),
        "same input under several labels",
        "must have the label that other rows with its input have",
        config.cleaning.conflicts,
        place,
        found,
        details,
    )


def drop_single_labels(table: pd.DataFrame, config: DataConfig, place: str, found: Findings) -> pd.DataFrame:
    """Rows with a class that no other row has; of several labels a row may go and leave another one single."""
    if config.task not in ("classification", "multi_label"):
        return table
    left, gone = table["label"], Counter[str]()
    while True:
        counts = left.explode().value_counts()
        single = set(counts.index[counts == 1])
        if not single:
            break
        gone.update(sorted(single))
        kept = ~left.explode().isin(single).groupby(level=0, sort=False).any()
        left = left[kept]
    alone = ~table.index.isin(left.index)
    details = {"labels": sorted(gone)[:20]}
    rule = "must have a label that others have too"
    return settle(table, alone, "label on one row only", rule, config.cleaning.single_labels, place, found, details)


def note(
    found: Findings,
    table: pd.DataFrame,
    rows: Mask,
    what: str,
    done: str,
    place: str,
    details: dict[str, Any] | None = None,
) -> None:
    if rows.any():
        found.append(finding(place, what, row_numbers(table, rows), done, details))


def settle(
    table: pd.DataFrame,
    wrong: Mask,
    what: str,
    rule: str,
    choice: str,
    place: str,
    found: Findings,
    details: dict[str, Any] | None = None,
) -> pd.DataFrame:
    """Drops, keeps or refuses the rows that break a rule."""
    if not wrong.any():
        return table
    if choice == "refuse":
        first = int(row_numbers(table, wrong)[0])
        raise DataError(
            f"{place}: every row {rule}, got {wrong.sum():,} without, the first in data row {first:,}; "
            "correct or delete them, or let `cleaning` drop them"
        )
    note(found, table, wrong, what, "dropped" if choice == "drop" else "kept", place, details)
    return table[~wrong] if choice == "drop" else table

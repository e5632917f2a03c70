"""Which columns of a table are learned from, under the names that the rest of the data stage knows them by."""

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

import numpy as np
import pandas as pd

from train_fn.data.cells import as_text, is_missing, is_nothing, shown
from train_fn.data.config import DataConfig, ImageDataConfig, TableDataConfig, TextDataConfig
from train_fn.data.examples import FEATURE
from train_fn.data.images import readable_images
from train_fn.data.template import columns_of, parse, sentences
from train_fn.errors import DataError

MOST_NAMES = 20  # of columns in a message
DECIMAL = re.compile(r"[-+]?\d*\.\d+([eE][-+]?\d+)?")
WHOLE = re.compile(r"[-+]?\d+(\.0*)?")


def select(table: pd.DataFrame, config: DataConfig, place: str) -> pd.DataFrame:
    """Row for row what the table holds; nothing is dropped or mended.

    Columns: `text` and perhaps `pair`, of a ranking the query and the text to be set in order, as the model reads them;
    or `image`, an absolute path or bytes of shape (height, width, 3); or `x.NAME`, float or str, for each column of a
    table. Then `label`: str, of multi_label a sorted list of str, of numbers float, NaN for what is none. Then `group`,
    `time` and `split`, where the config names such columns. What is missing is None; blanks stay, to be told from it.
    """
    if table.empty:
        raise DataError(f"{place}: there must be rows to learn from, got none; add labelled rows below a header")
    columns = INPUTS[type(config)](table, config, place)
    columns["label"] = LABELS[config.task](cells(table, config.label, "label", place), config, place)
    if config.group is not None:
        columns["group"] = texts(table, config.group, "group", place)
    if config.time is not None:
        columns["time"] = [None if is_missing(value) else value for value in cells(table, config.time, "time", place)]
    if config.split_column is not None:
        columns["split"] = texts(table, config.split_column, "split_column", place)
    return pd.DataFrame({name: as_series(values) for name, values in columns.items()})


def as_series(values: list[Any]) -> pd.Series:
    """Numbers as such; all else as it is, or pandas would make NaN of None."""
    return pd.Series(values, dtype=float if all(isinstance(value, float) for value in values) else object)


def text_inputs(table: pd.DataFrame, config: DataConfig, place: str) -> dict[str, list[Any]]:
    assert isinstance(config, TextDataConfig)
    text = texts(table, config.text, "text", place) if config.template is None else templated(table, config, place)
    if config.query is not None:
        return {"text": texts(table, config.query, "query", place), "pair": text}
    if config.text_pair is not None:
        return {"text": text, "pair": texts(table, config.text_pair, "text_pair", place)}
    return {"text": text}


def templated(table: pd.DataFrame, config: TextDataConfig, place: str) -> list[str | None]:
    parts = parse(str(config.template))
    for column in columns_of(parts):
        check_column(table, column, "template", place)
    return sentences(table, parts, place)


def image_inputs(table: pd.DataFrame, config: DataConfig, place: str) -> dict[str, list[Any]]:
    assert isinstance(config, ImageDataConfig)
    return {"image": readable_images(cells(table, config.image, "image", place), place)}


def column_inputs(table: pd.DataFrame, config: DataConfig, place: str) -> dict[str, list[Any]]:
    assert isinstance(config, TableDataConfig)
    others = {config.label, config.group, config.time, config.split_column}
    names = config.columns if config.columns is not None else [name for name in table.columns if name not in others]
    if not names:
        raise DataError(f"{place}: there must be columns to learn from, got {config.label!r} alone; name them")
    return {FEATURE + name: numbers_or_words(cells(table, name, "columns", place), name, place) for name in names}


def numbers_or_words(column: list[Any], name: str, place: str) -> list[Any]:
    """Numbers if every cell that is not missing reads as one, with NaN for those that are missing, or not finite."""
    numbers = [np.nan if is_missing(value) else as_number(value) for value in column]
    if None not in numbers:
        return [number if number is not None and np.isfinite(number) else np.nan for number in numbers]
    rows = enumerate(column, start=1)
    return [None if is_missing(value) else as_text(value, name, row, place) for row, value in rows]


INPUTS: Mapping[type[DataConfig], Callable[[pd.DataFrame, DataConfig, str], dict[str, list[Any]]]] = {
    TextDataConfig: text_inputs,
    ImageDataConfig: image_inputs,
    TableDataConfig: column_inputs,
}


def class_names(column: list[Any], config: DataConfig, place: str) -> list[str | None]:
    found = [None if is_nothing(value) else class_name(value, row, place) for row, value in enumerate(column, start=1)]
    names = {name.strip() for name in found if name is not None and name.strip()}
    decimal = next((name for name in sorted(names) if DECIMAL.fullmatch(name) and not WHOLE.fullmatch(name)), None)
    if decimal and all(DECIMAL.fullmatch(name) or WHOLE.fullmatch(name) for name in names):
        raise DataError(
            f"{place}: labels must be names of classes, got numbers such as {decimal}; set `task: regression` in "
            "`data`, or write classes as words"
        )
    return found


def class_name(value: Any, row: int, place: str) -> str:
    """One class has one name however its column is typed: 1 beside missing values is read as 1.0, and is "1" still."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    if isinstance(value, str | bool | np.bool_ | int | np.integer):
        return as_text(value, "label", row, place)
    raise DataError(
        f"{place}: a label must be a string, a whole number or a bool, got {shown(value)} in data row {row:,}; "
        "name the column of classes"
    )


def class_lists(column: list[Any], config: DataConfig, place: str) -> list[list[str]]:
    """Of several labels per row; their order says nothing. An empty cell is "none of them", as most files have it."""
    found: list[list[str]] = []
    for row, value in enumerate(column, start=1):
        if is_missing(value):
            found.append([])
            continue
        parts = value.split(config.label_separator) if isinstance(value, str) else value
        parts = parts if isinstance(parts, list | tuple | set | np.ndarray) else [parts]
        names = {class_name(part, row, place).strip() for part in parts if not is_missing(part)}
        found.append(sorted(names))
    return found


def quantities(column: list[Any], config: DataConfig, place: str) -> list[float | None]:
    """None for what is missing, NaN for what is no number; one that is written as text counts."""
    read = [None if is_missing(value) else as_number(value) for value in column]
    words = [value for value, number in zip(column, read, strict=True) if number is None and not is_missing(value)]
    if words and not any(number is not None for number in read):
        got = shown(words[0])
        raise DataError(f"{place}: labels must be numbers for {config.task}, got {got}; name another `label`")
    negative = [row for row, number in enumerate(read, start=1) if number is not None and -np.inf < number < 0]
    if negative and config.task == "ranking":
        raise DataError(
            f"{place}: every row must have a grade of 0 or more, got {len(negative):,} without, the first in data row "
            f"{negative[0]:,}; count grades from 0 = irrelevant"
        )
    return [
        None if is_missing(value) else np.nan if number is None else number
        for value, number in zip(column, read, strict=True)
    ]


def as_number(value: Any) -> float | None:
    """None for what is no number; so are 1_000 and full-width digits, which Python alone would take for some."""
    if isinstance(value, bytes) or (isinstance(value, str) and ("_" in value or not value.isascii())):
        return None
    try:
        return float(value)
    except OverflowError:
        return np.inf if value > 0 else -np.inf
    except (TypeError, ValueError):
        return None


LABELS: Mapping[str, Callable[[list[Any], DataConfig, str], list[Any]]] = {
    "classification": class_names,
    "multi_label": class_lists,
    "regression": quantities,
    "ranking": quantities,
}


def texts(table: pd.DataFrame, column: str, field: str, place: str) -> list[str | None]:
    rows = enumerate(cells(table, column, field, place), start=1)
    return [None if is_nothing(value) else as_text(value, field, row, place) for row, value in rows]


def cells(table: pd.DataFrame, column: str, field: str, place: str) -> list[Any]:
    check_column(table, column, field, place)
    return table[column].tolist()


def check_column(table: pd.DataFrame, column: str, field: str, place: str) -> None:
    if column in table:
        return
    names = {" ".join(str(name).split())[:40].casefold(): str(name) for name in table.columns}
    nearest = get_close_matches(column.casefold(), names, n=1)
    way_out = f"did you mean {names[nearest[0]]!r}?" if nearest else f"set `{field}` to one of them, or add a header"
    raise DataError(
        f"{place}: `{field}` must name a column, got {column!r}; columns are {shortened(table.columns)}; {way_out}"
    )


def shortened(columns: pd.Index) -> str:
    names = [" ".join(str(name).split()) for name in columns]
    names = [name if len(name) <= 40 else name[:39] + "…" for name in names]
    rest = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + rest

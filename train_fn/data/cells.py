"""What a cell of a table holds: nothing, a text, or something that is neither."""

from typing import Any

import pandas as pd

from train_fn.errors import DataError


def is_missing(value: Any) -> bool:
    """Nothing, or nothing but blanks."""
    return is_nothing(value.strip() if isinstance(value, str) else value)


def is_nothing(value: Any) -> bool:
    """None, NaN, NaT, pd.NA or an empty string; a list is not, even an empty one."""
    if isinstance(value, str):
        return value == ""
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))


def as_text(value: Any, field: str, row: int, place: str) -> str:
    """Strings as they are; numbers, truth values and times as Python writes them.

    Refuses lists and records, and half of a surrogate pair, as cut-off JSON escapes leave it: it can be neither stored
    nor tokenized.
    """
    if isinstance(value, bytes) or not pd.api.types.is_scalar(value):
        raise DataError(
            f"{place}: `{field}` must name a column of texts, got a {type(value).__name__} in data row {row:,}; "
            "name another column, or write it as text"
        )
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise DataError(
            f"{place}: every {field} must be valid Unicode, got half a character in data row {row:,}; "
            "look for a cut-off emoji"
        ) from None
    return text


def shown(value: Any, most: int = 60) -> str:
    """On one line of a message."""
    line = " ".join(repr(value).split())
    return line if len(line) <= most else line[: most - 1] + "…"

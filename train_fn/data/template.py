"""A sentence made of the columns of a row: "{age} years old, {job}"."""

import re
from dataclasses import dataclass
from string import Formatter
from typing import Any

import pandas as pd

from train_fn.data.cells import as_text, is_missing
from train_fn.errors import DataError

UNKNOWN = "unknown"  # stands for a value that is missing
PLAIN = re.compile(r"[^.\[\]{}]+")  # str.format would follow attributes and indexes, from any value to any secret
FORMAT = re.compile(r"[-+ ]?0?\d{0,2},?(\.\d{1,2})?[defgn%]?")  # of numbers; short, or {x:999999999} fills memory
NEEDLESS = re.compile(r"(-?\d+)\.0")  # whole numbers beside missing values are written so


@dataclass(frozen=True, kw_only=True)
class Part:
    before: str  # the words up to the field
    column: str | None  # None at the end of the template
    format: str


def parse(template: str) -> list[Part]:
    """Raises DataError unless all fields are {column} or, of numbers, {column:.1f}."""
    try:
        found = list(Formatter().parse(template))
    except ValueError as error:
        raise DataError(f"`template` must pair its braces, got {template!r}: {error}; write {{{{ for a brace") from None
    for _, column, format, conversion in found:
        if column is not None and (conversion or not PLAIN.fullmatch(column)):
            got = "{" + column + (f"!{conversion}" if conversion else "") + "}"
            raise DataError(f"`template` must hold plain {{column}} fields, got {got}; name a column")
        if format and not FORMAT.fullmatch(format):
            raise DataError(f"`template` must format numbers as {{height:.1f}} does, got {format!r}; try .1f")
    parts = [Part(before=before, column=column, format=format or "") for before, column, format, _ in found]
    if not columns_of(parts):
        raise DataError(f"`template` must hold a {{column}}, got {template!r}; name one")
    return parts


def columns_of(parts: list[Part]) -> list[str]:
    return list(dict.fromkeys(part.column for part in parts if part.column is not None))


def sentences(table: pd.DataFrame, parts: list[Part], place: str) -> list[str | None]:
    """One for each row; None where all of its columns are missing."""
    names = columns_of(parts)
    found: list[str | None] = []
    for row, values in enumerate(zip(*(table[name] for name in names), strict=True), start=1):
        cells = dict(zip(names, values, strict=True))
        known = not all(is_missing(value) for value in values)
        found.append("".join(written(part, cells, row, place) for part in parts) if known else None)
    return found


def written(part: Part, cells: dict[str, Any], row: int, place: str) -> str:
    if part.column is None:
        return part.before
    value = cells[part.column]
    if is_missing(value):
        return part.before + UNKNOWN
    text = as_text(value, "template", row, place).strip()
    if part.format:
        return part.before + formatted(text, part, row, place)
    whole = NEEDLESS.fullmatch(text)
    return part.before + (whole[1] if whole else text)


def formatted(text: str, part: Part, row: int, place: str) -> str:
    whole = NEEDLESS.fullmatch(text)
    try:
        return format(int(whole[1] if whole else text), part.format)
    except ValueError:  # no whole number, or 7 in a format such as .2
        pass
    try:
        return format(float(text), part.format)
    except ValueError:
        raise DataError(
            f"{place}: {{{part.column}:{part.format}}} must be of a number it fits, got {text!r} in data row {row:,}; "
            "leave its format out"
        ) from None

"""How a CSV or TSV file is read: strictly, for a quote too many can swallow a thousand rows unseen."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from train_fn.data.decoding import LONGEST_LINE, open_text
from train_fn.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}


def read_delimited(path: Path, encoding: str, delimiter: str) -> "pd.DataFrame":
    """Strings alone: labels 01 and 1 are two labels, and "None" and "NA" are words; an empty field is "".

    Columns without a name, as of an index that was written too, are left out.
    """
    with open_text(path, encoding) as lines:
        rows = delimited_rows(lines, delimiter, path)
        header = next(rows)
        columns: list[list[str]] = [[] for _ in header]
        for fields in rows:
            for column, value in zip(columns, fields, strict=True):
                column.append(value)
    return of_columns(header, columns)


def delimited_rows(lines: Iterable[str], delimiter: str, path: Path) -> Iterator[list[str]]:
    """The header, and then the fields of each row, as many as the header has."""
    csv.field_size_limit(LONGEST_LINE)  # the module's own limit is 128 KiB
    records = numbered(lines, delimiter, path)
    _, header = next(records, (0, []))
    check_header(header, delimiter, path)
    yield header
    for line, fields in records:
        if len(fields) == len(header):
            yield fields
        elif len(fields) > 1 or fields[0].strip():  # a line of blanks is no row
            raise DataError(
                f"{path}: line {line} must have {len(header)} fields as the header has, got {len(fields)}; "
                f'put fields that hold {DELIMITERS[delimiter]} or a line break between ""'
            )


def of_columns(header: list[str], columns: Iterable[list[str]]) -> "pd.DataFrame":
    import pandas as pd

    frame = pd.DataFrame(dict(enumerate(columns)), dtype=object)
    frame.columns = pd.Index(header)
    return frame.loc[:, [name.strip() != "" for name in header]]


def numbered(lines: Iterable[str], delimiter: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """The line where each record begins, counted from 1, and its fields; an empty line is none."""
    records, line = csv.reader(lines, delimiter=delimiter, strict=True), 1
    try:
        for fields in records:
            if fields:
                yield line, fields
            line = records.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{path}: line {line} must pair its quotes, got {error}; write a quote within quotes twice"
        ) from error


def check_header(header: list[str], delimiter: str, path: Path) -> None:
    others = [other for other in DELIMITERS if other != delimiter and len(header) == 1 and other in header[0]]
    if others:
        likely = max(others, key=header[0].count)
        way_out = "name it .tsv" if likely == "\t" else f"write it with {DELIMITERS[delimiter]}"
        raise DataError(
            f"{path}: columns must stand apart by {DELIMITERS[delimiter]}, looks like {DELIMITERS[likely]}; {way_out}"
        )

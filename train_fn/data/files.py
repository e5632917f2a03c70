"""Which formats a data file may have, and how each is read."""

import gzip
import json
import warnings
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd

from train_fn.data.identity import existing_file
from train_fn.errors import DataError


def read_file(name: str, path: str) -> pd.DataFrame:
    """The table in the file that the config's field `name` points to; its suffix says the format."""
    file = existing_file(name, path)
    suffix = next((suffix for suffix in READERS if file.name.lower().endswith(suffix)), None)
    if suffix is None:
        raise DataError(f"`{name}` must end in one of {', '.join(READERS)}, got {file}; convert it to one of these")
    try:
        return READERS[suffix](file)
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except UNREADABLE as error:
        reason = " ".join(str(error).split())  # parsers break lines in their messages
        raise DataError(
            f"`{name}` must hold what its suffix {suffix} says, in UTF-8: {file}: {reason}; write it anew"
        ) from error


UNREADABLE = (ValueError, OSError, EOFError, zlib.error, pd.errors.ParserWarning)


def read_delimited(path: Path, delimiter: str) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # it announces that fields without a column are dropped
        return pd.read_csv(
            path,
            sep=delimiter,
            encoding="utf-8-sig",  # spreadsheets put a byte-order mark before the first column's name
            dtype=str,  # labels 01 and 1 are two labels
            keep_default_na=False,  # "None" and "NA" are words and may be labels; only an empty field is missing
            index_col=False,  # or a field too many in every row would shift the columns
        )


def read_json_lines(path: Path) -> pd.DataFrame:
    opened = gzip.open if path.name.lower().endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8-sig") as lines:
        rows = [parse_line(line, number) for number, line in enumerate(lines, start=1) if line.strip()]
    return pd.DataFrame(rows, dtype=object)  # object: integers stay integers beside missing values


def parse_line(line: str, number: int) -> dict[str, object]:
    row = json.loads(line)
    if not isinstance(row, dict):
        raise ValueError(f"line {number} is no JSON object")
    return row


READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": partial(read_delimited, delimiter=","),
    ".csv.gz": partial(read_delimited, delimiter=","),
    ".tsv": partial(read_delimited, delimiter="\t"),
    ".tsv.gz": partial(read_delimited, delimiter="\t"),
    ".jsonl": read_json_lines,
    ".jsonl.gz": read_json_lines,
    ".parquet": pd.read_parquet,
}

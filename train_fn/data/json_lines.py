"""How a file of JSON Lines is read: one object per line, its keys the columns."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from train_fn.data.decoding import open_text
from train_fn.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


def read_json_lines(path: Path, encoding: str) -> "pd.DataFrame":
    import pandas as pd

    with open_text(path, encoding) as lines:
        rows = [parse_line(line, number, path) for number, line in enumerate(lines, start=1) if line.strip()]
    return pd.DataFrame(rows, dtype=object)  # object: integers stay integers beside missing values


def parse_line(line: str, number: int, path: Path) -> dict[str, object]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: line {number} must be JSON, got {error}; write one object per line") from error
    if not isinstance(row, dict):
        kind = {list: "a list", str: "a string", type(None): "null", bool: "true or false"}.get(type(row), "a number")
        raise DataError(f'{path}: line {number} must be an object such as {{"text": ...}}, got {kind}; name its fields')
    return row

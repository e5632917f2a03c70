"""A table as it was found, before its columns have a meaning."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Table:
    frame: "pd.DataFrame"  # rows in their order, numbered from 0; of a text file all values are strings
    place: str  # where it was found; begins every message about its rows
    encoding: str | None = None  # of text files, as Python names it; of several files perhaps "cp949, utf-8"
    bom: bool = False  # whether a byte-order mark stood at the beginning

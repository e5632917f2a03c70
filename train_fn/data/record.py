"""The records that prepared data is handed over in."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What is known of prepared data without reading its rows."""

    folder: Path  # holds {train,valid,test}.parquet and prepared.json
    task: str
    labels: tuple[str, ...]  # sorted; the index is the class id; empty where labels are numbers
    rows: Mapping[str, int]  # split -> number of rows
    classes: Mapping[str, Mapping[str, int]]  # split -> label -> number of rows; empty where labels are numbers
    fingerprint: str  # 32 hex characters over every text and label of every split, in order


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Texts and what is to be said of them, row by row."""

    texts: list[str]  # of a ranking: the queries
    targets: NDArray[Any]  # class ids, or numbers
    pairs: list[str] | None = None  # a second text for each; of a ranking: the texts to be set in order
    groups: NDArray[np.int64] | None = None  # of a ranking: number of each row's query, in order


@dataclass(frozen=True, kw_only=True)
class Splits:
    """What a training run may see: never the test split."""

    train: Examples
    valid: Examples
    task: str
    labels: tuple[str, ...]  # the index is the class id

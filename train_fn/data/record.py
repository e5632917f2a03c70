"""The records that prepared data is handed over in."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What is known of prepared data without reading its rows."""

    folder: Path  # holds {train,valid,test}.parquet and prepared.json
    labels: tuple[str, ...]  # sorted; the index is the class id
    rows: Mapping[str, int]  # split -> number of rows
    classes: Mapping[str, Mapping[str, int]]  # split -> label -> number of rows
    fingerprint: str  # 32 hex characters over every text and label of every split, in order


@dataclass(frozen=True, kw_only=True)
class Examples:
    """Texts and their class ids, row by row."""

    texts: list[str]
    targets: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Splits:
    """What a training run may see: never the test split."""

    train: Examples
    valid: Examples
    labels: tuple[str, ...]  # the index is the class id

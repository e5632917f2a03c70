"""The records that prepared data is handed over in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What is known of prepared data without reading its rows."""

    folder: Path  # holds {train,valid,unlabelled}.parquet, test.sealed and prepared.json
    task: str
    labels: tuple[str, ...]  # sorted; the index is the class id; empty where labels are numbers
    rows: Mapping[str, int]  # split -> number of rows
    classes: Mapping[str, Mapping[str, int]]  # split -> label -> number of rows; empty where labels are numbers
    fingerprints: Mapping[str, str]  # split -> 32 hex characters over every row and column, in order
    fingerprint: str  # the same over all splits
    report: Mapping[str, Any] = field(default_factory=dict)  # what was found, and what was done about it


@dataclass(frozen=True, kw_only=True)
class Examples:
    """What is to be said of some rows."""

    targets: NDArray[Any]  # class ids, numbers, or of multi_label 0 and 1 of shape (rows, labels)
    groups: NDArray[np.int64] | None = None  # of a ranking: number of each row's query, in order


@dataclass(frozen=True, kw_only=True)
class TextExamples(Examples):
    texts: list[str]  # of a ranking: the queries
    pairs: list[str] | None = None  # a second text for each; of a ranking: the texts to be set in order


@dataclass(frozen=True, kw_only=True)
class ImageExamples(Examples):
    images: Sequence[Path] | NDArray[np.uint8]  # files, or all of them as (rows, height, width, 3)


@dataclass(frozen=True, kw_only=True)
class TableExamples(Examples):
    columns: "pd.DataFrame"  # numbers, or words as a categorical column


E = TypeVar("E", bound=Examples)


@dataclass(frozen=True, kw_only=True)
class Splits(Generic[E]):
    """What a training run may see: never the test split."""

    train: E
    valid: E
    task: str
    labels: tuple[str, ...]  # the index is the class id

"""What a row holds, as a number: rows with the same number hold the same."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from train_fn.data.examples import FEATURE
from train_fn.data.store import digest_of_file


def columns_of_input(table: pd.DataFrame) -> list[str]:
    return [name for name in table.columns if name in ("text", "pair", "image") or name.startswith(FEATURE)]


def numbered(columns: pd.DataFrame) -> NDArray[np.int64]:
    """One number for each row, in the order of their first appearance; missing cells count as the same."""
    numbers = np.zeros(len(columns), dtype=np.int64)
    for name in columns:
        cells = pd.factorize(comparable(columns[name]), use_na_sentinel=False)[0].astype(np.int64)
        numbers = pd.factorize(numbers * (cells.max(initial=0) + 1) + cells)[0].astype(np.int64)
    return numbers


def comparable(column: pd.Series) -> Any:
    """Cells that can be hashed: several labels as a set, images by their bytes."""
    if column.name == "image":
        return np.array(image_contents(column.tolist()), dtype=object)
    if column.name == "label" and column.map(lambda cell: isinstance(cell, list)).any():
        return np.array(["\x00".join(sorted(cell)) for cell in column], dtype=object)
    return column


def image_contents(images: Sequence[Any]) -> list[str | int]:
    """A digest of each image's bytes; of a file whose size no other has, that size alone, as it need not be read."""
    if not isinstance(images[0] if len(images) else None, str):
        return [hashlib.sha256(np.ascontiguousarray(image).data).hexdigest() for image in images]
    sizes = pd.Series([Path(path).stat().st_size for path in images])
    alone = ~sizes.duplicated(keep=False)
    return [
        int(size) if single else digest_of_file(path).hex()
        for path, size, single in zip(images, sizes, alone, strict=True)
    ]

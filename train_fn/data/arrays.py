"""How images that lie in a NumPy archive (.npz) become tables."""

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from train_fn.data.decoding import check_expansion
from train_fn.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

SPLITS = ("train", "valid", "test")


def read_array_table(path: Path) -> "pd.DataFrame":
    """The images `x` and, where there are any, their labels `y`."""
    tables = read_arrays(path)
    if "all" not in tables:
        raise DataError(f"{path}: must hold x and y where it is one split, got {', '.join(tables)}; give it as `file`")
    return tables["all"]


def read_arrays(path: Path) -> "dict[str, pd.DataFrame]":
    """Split -> columns `image` and `label` of x_train and y_train and so on, or "all" of x and y.

    Images are of shape (rows, height, width, 3), or (rows, height, width) in grey, of bytes from 0 to 255.
    """
    import numpy as np

    with zipfile.ZipFile(path) as archive:  # refuses what np.load would take for an array or a pickle
        check_expansion(sum(member.file_size for member in archive.infolist()), path.stat().st_size, path)
    with np.load(path, allow_pickle=False) as arrays:
        splits = {"all": ""} if "x" in arrays else {s: f"_{s}" for s in SPLITS if f"x_{s}" in arrays}
        if not splits or ("all" not in splits and "train" not in splits):
            names = ", ".join(arrays) or "nothing"
            raise DataError(f"{path}: must hold x and y, or x_train and y_train, got {names}; name the arrays so")
        return {split: array_table(arrays, end, path) for split, end in splits.items()}


def array_table(arrays: Any, end: str, path: Path) -> "pd.DataFrame":
    import numpy as np
    import pandas as pd

    images = arrays[f"x{end}"]
    if images.dtype != np.uint8:
        raise DataError(f"{path}: x{end} must be of bytes (uint8), got {images.dtype}; scale it to 0..255")
    if images.ndim == 3:
        images = np.repeat(images[..., np.newaxis], 3, axis=-1)
    if images.ndim != 4 or images.shape[3] != 3 or 0 in images.shape[1:]:
        raise DataError(
            f"{path}: x{end} must be of shape (rows, height, width, 3) or (rows, height, width), "
            f"got {arrays[f'x{end}'].shape}; move its axes"
        )
    table = pd.DataFrame({"image": list(images)}, dtype=object)
    if f"y{end}" in arrays:
        labels = arrays[f"y{end}"]
        if labels.shape != (len(images),):
            raise DataError(
                f"{path}: y{end} must hold a label for each of the {len(images):,} images of x{end}, "
                f"got shape {labels.shape}; write them anew together"
            )
        table["label"] = labels.tolist()
    return table

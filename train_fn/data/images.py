"""Which images of a table can be read: files in the folder of their list, or arrays."""

import io
import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count, repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from train_fn.data.cells import is_missing, shown
from train_fn.errors import DataError

MOST_PIXELS = 2**26  # 67 million, as of 8192 x 8192; unpacked to 200 MB, from a file that may have a few kilobytes
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")


def listed_images(column: Sequence[Any], folder: Path, place: str) -> list[Any]:
    """Paths in a list of images, from its folder on, made absolute; None where the field is empty. Else as it is.

    Raises DataError where a path leaves the folder: a list from elsewhere must not read what lies on this machine.
    """
    home = folder.resolve()
    found: list[Any] = []
    for row, value in enumerate(column, start=1):
        if isinstance(value, dict) and value.get("bytes") is None:
            value = value.get("path")
        if not isinstance(value, str) or is_missing(value):
            found.append(None if is_missing(value) else value)
            continue
        path = folder / str(value).strip()
        if not is_inside(path, home):
            raise DataError(
                f"{place}: images must lie in the folder of their list, got {shown(value)} in data row {row:,}; "
                "move them there"
            )
        found.append(str(path.absolute()))
    return found


def is_inside(path: Path, home: Path) -> bool:
    """Also after its links have been followed; `home` is a resolved folder."""
    try:
        return path.resolve().is_relative_to(home)
    except (OSError, ValueError, RuntimeError):  # a name too long, a NUL, links in a circle
        return False


def readable_images(column: Sequence[Any], place: str) -> list[Any]:
    """Absolute paths as strings, or arrays of shape (height, width, 3); None for each that is missing or unreadable.

    Every file is decoded once here, or training would stumble over it hours later.
    """
    values = [unpacked(value) for value in column]
    if any(isinstance(value, np.ndarray) for value in values):
        return checked_arrays(values, place)
    files = [None if is_missing(value) else os.path.abspath(str(value)) for value in values]
    with warnings.catch_warnings(), ThreadPoolExecutor() as pool:
        warnings.simplefilter("ignore")  # of Pillow, on odd metadata; set here because it holds for all threads
        return list(pool.map(readable, files, count(1), repeat(place)))


def readable(file: str | None, row: int, place: str) -> str | None:
    """The file, or None where it is no image that can be decoded. Raises DataError where it would fill memory."""
    from PIL import Image

    if file is None or not os.path.isfile(file):  # a pipe, too, would be waited on for ever
        return None
    try:
        with Image.open(file) as image:
            too_large = image.width * image.height > MOST_PIXELS
            if not too_large:
                image.load()
    except Image.DecompressionBombError:
        too_large = True
    except Exception:  # decoders fail in many ways on broken files: OSError, SyntaxError, struct.error, EOFError
        return None
    if too_large:
        raise DataError(
            f"{place}: images must have at most {MOST_PIXELS:,} pixels, got more in data row {row:,}: {file}; "
            "make it smaller"
        )
    return file


def unpacked(value: Any) -> Any:
    """An image as the `datasets` library keeps it, bytes or a path, becomes an array or that path."""
    if not isinstance(value, dict):
        return value
    if value.get("bytes") is None:
        return value.get("path")
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(value["bytes"])) as image:
                return np.asarray(image.convert("RGB")) if image.width * image.height <= MOST_PIXELS else None
        except Exception:  # as of a file
            return None


def checked_arrays(values: Sequence[Any], place: str) -> list[NDArray[np.uint8] | None]:
    found = [None if not isinstance(value, np.ndarray) and is_missing(value) else value for value in values]
    shape = next(value.shape for value in found if isinstance(value, np.ndarray))
    for row, value in enumerate(found, start=1):
        if value is None:
            continue
        if not isinstance(value, np.ndarray) or value.dtype != np.uint8 or value.shape != shape:
            got = f"{value.dtype} of {value.shape}" if isinstance(value, np.ndarray) else shown(value)
            raise DataError(
                f"{place}: images must all be paths, or all be bytes (uint8) of one shape, here {shape}, got {got} in "
                f"data row {row:,}; make them alike, or save them as files"
            )
    grey = len(shape) == 2
    if 0 in shape or not (grey or (len(shape) == 3 and shape[2] == 3)):
        raise DataError(
            f"{place}: images must be of shape (height, width, 3) or (height, width), got {shape}; move axes"
        )
    if grey:
        return [None if value is None else np.repeat(value[..., np.newaxis], 3, axis=-1) for value in found]
    return found

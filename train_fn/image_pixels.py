"""One image as the square of pixels that a model sees."""

import struct
from pathlib import Path

import numpy
from PIL import Image, ImageOps

from train_fn.errors import DataError

# what Pillow raises for a file that is no image, is cut short, or claims a gigantic size
UNREADABLE = (OSError, EOFError, ValueError, SyntaxError, struct.error, Image.DecompressionBombError)


def pixels(image: Path | numpy.ndarray, size: int) -> numpy.ndarray:
    """Of a file or a uint8 array (height, width, 3): uint8 (size, size, 3), RGB, upright as EXIF tells.

    Bilinear, with antialiasing: the very pixels that an image processor of transformers makes. Height and width are
    each brought to `size`, so nothing is cut off.
    """
    picture = Image.fromarray(image) if isinstance(image, numpy.ndarray) else opened(image)
    if picture.size != (size, size):
        picture = picture.resize((size, size), Image.Resampling.BILINEAR)
    return numpy.asarray(picture)


def opened(path: Path) -> Image.Image:
    try:
        with Image.open(path) as file:
            upright = ImageOps.exif_transpose(file)
            if upright.mode == "P":  # a palette may have transparent colours, which Pillow warns of on the short way
                upright = upright.convert("RGBA")
            return upright.convert("RGB")
    except UNREADABLE as error:
        raise DataError(f"an image must be readable, got {path} ({error}); repair it or delete its row") from error

"""How a model wants its images: their size, and by which mean and deviation their bytes become numbers."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import ViTImageProcessorPil

NEUTRAL = [0.5, 0.5, 0.5]  # mean and deviation that bring 0 .. 1 to -1 .. 1


def image_processor(folder: Path | None, size: int) -> ViTImageProcessorPil:
    """Saved beside a model of any architecture, it makes images for others exactly as training has made them.

    Mean, deviation and the factor of the bytes are those that the folder's own processor has; -1 .. 1 without one.
    """
    own = {} if folder is None else described(folder)
    if own.get("do_flip_channel_order"):
        raise ValueError("`model` must take images in the order RGB, got one that takes BGR; choose another model")
    normal = own.get("do_normalize", True)
    deviation = own.get("image_std", NEUTRAL)
    if own.get("include_top"):  # EfficientNet divides once more
        deviation = [value**2 for value in deviation]
    return ViTImageProcessorPil(
        size={"height": size, "width": size},
        rescale_factor=own.get("rescale_factor", 1 / 255) if own.get("do_rescale", True) else 1.0,
        image_mean=list(own.get("image_mean", NEUTRAL)) if normal else [0.0] * 3,
        image_std=list(deviation) if normal else [1.0] * 3,
    )


def own_size(folder: Path) -> int | None:
    """Pixels of each side that a saved model was made for; None where its files do not say."""
    processor, model = described(folder), json.loads((folder / "config.json").read_text(encoding="utf-8"))
    cropped = processor.get("crop_size") if processor.get("do_center_crop") else None
    return side(cropped) or side(processor.get("size")) or side(model.get("image_size"))


def described(folder: Path) -> Mapping[str, Any]:
    path = folder / "preprocessor_config.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def side(size: Any) -> int | None:
    """Of a number, a pair, or a processor's dict; of two sides the shorter one."""
    if isinstance(size, Mapping):
        size = [size[name] for name in ("height", "width", "shortest_edge") if size.get(name)]
    if isinstance(size, list):
        size = min(size, default=None)
    return int(size) if size else None

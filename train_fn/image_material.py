"""What a run on images is made from."""

import hashlib
import json
from functools import partial
from pathlib import Path
from statistics import median_low

import numpy
import PIL
import torch
from PIL import Image
from transformers import ViTImageProcessorPil

from train_fn import data
from train_fn.config import ImageConfig
from train_fn.data import ImageExamples
from train_fn.image_augmentation import augment
from train_fn.image_cache import Pixels, open_images
from train_fn.image_processor import image_processor, own_size
from train_fn.image_rows import Images, Mix, Normal
from train_fn.learning import check_learning
from train_fn.material import Material
from train_fn.mixing import mix
from train_fn.model import OF_IMAGES, check_sees, new_image_model, read_architecture
from train_fn.pretrained import locate
from train_fn.shown_rows import show_rows
from train_fn.tiny import tiny_vit

LAYOUT = 1  # raise it when the same images would give or store other pixels
LEAST_TINY, MOST_TINY = 8, 64  # pixels of each side that a tiny model looks at by itself
LOOKED_AT = 100  # images whose size tells that of all


def image_material(config: ImageConfig, fold: int) -> Material:
    prepared, splits, folder = data.prepare(config.data), splits_of(config), model_folder(config)
    size = image_size(config, folder, splits["train"])
    processor = image_processor(folder, size)
    every = {
        split: image_rows(splits[split], pixels, processor=processor, size=size, num_classes=len(prepared.labels))
        for split, pixels in cached_pixels(config, prepared, splits, size).items()
    }
    if config.data.folds > 1:
        of_row = data.fold_of_rows(config.data)
        train, valid = every["train"].only(of_row != fold), every["train"].only(of_row == fold)
    else:
        train, valid = every["train"], every["valid"]
    return Material(
        train=train.augmented(augmentation(config), mixing(config)),
        valid=valid,
        task=prepared.task,
        labels=prepared.labels,
        processor=processor,
        model=new_image_model(config, folder, size, prepared.task, prepared.labels),
        show=show_rows(config.data, fold),
    )


def prepare_images(config: ImageConfig) -> data.Prepared:
    """Every fault of model and images is found, and all images are decoded, before a first trial begins."""
    folder, prepared, splits = model_folder(config), data.prepare(config.data), splits_of(config)
    size = image_size(config, folder, splits["train"])
    if folder is not None:
        check_sees(folder, size)
        image_processor(folder, size)
    check_learning(tiny_vit(size) if folder is None else read_architecture(folder), OF_IMAGES, config)
    cached_pixels(config, prepared, splits, size)
    return prepared


def splits_of(config: ImageConfig) -> dict[str, ImageExamples]:
    """Train and, unless folds of it validate each other, valid."""
    return {split: rows for split, rows in data.load_all(config.data).items() if split != "unlabelled"}


def model_folder(config: ImageConfig) -> Path | None:
    return None if config.model == "tiny" else locate(config.model)


def image_size(config: ImageConfig, folder: Path | None, examples: ImageExamples) -> int:
    """As asked for; else the model's own; of a tiny model that of the images, from 8 to 64 pixels."""
    if config.image_size is not None:
        return config.image_size
    if folder is None:
        return max(LEAST_TINY, min(MOST_TINY, size_of_images(examples)))
    size = own_size(folder)
    if size is None:
        raise ValueError("`image_size` must be given for a model that does not tell its own, got None; try 224")
    return size


def size_of_images(examples: ImageExamples) -> int:
    """Of arrays the longer side; of files the median of their longer sides."""
    if isinstance(examples.images, numpy.ndarray):
        return max(examples.images.shape[1:3])
    sides = []
    for path in examples.images[:LOOKED_AT]:
        with Image.open(path) as image:  # reads its head alone
            sides.append(max(image.size))
    return median_low(sides)


def cached_pixels(
    config: ImageConfig, prepared: data.Prepared, splits: dict[str, ImageExamples], size: int
) -> dict[str, Pixels]:
    key = (LAYOUT, prepared.folder.name, prepared.fingerprint, size, PIL.__version__)
    name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
    return open_images(
        {split: examples.images for split, examples in splits.items()},
        prepared.folder.parent.parent / "images" / name,
        size=size,
        way=config.image_cache,
        num_workers=num_workers(config),
        limit_gb=config.data.cache_gb,
    )


def num_workers(config: ImageConfig) -> int:
    return torch.get_num_threads() if isinstance(config.num_workers, str) else config.num_workers


def image_rows(
    examples: ImageExamples, pixels: Pixels, *, processor: ViTImageProcessorPil, size: int, num_classes: int
) -> Images:
    return Images(
        pixels=pixels,
        places=numpy.arange(len(examples.images)),
        size=size,
        targets=torch.from_numpy(examples.targets),
        normal=Normal(
            factor=processor.rescale_factor,
            mean=torch.tensor(processor.image_mean).view(3, 1, 1),
            deviation=torch.tensor(processor.image_std).view(3, 1, 1),
        ),
        num_classes=num_classes,
    )


def augmentation(config: ImageConfig) -> partial[torch.Tensor]:
    return partial(
        augment,
        flip=config.flip,
        crop=config.crop,
        layers=config.rand_augment_layers,
        magnitude=config.rand_augment_magnitude,
    )


def mixing(config: ImageConfig) -> Mix | None:
    if config.mixup_alpha == 0 and config.cutmix_alpha == 0:
        return None
    return partial(mix, mixup_alpha=config.mixup_alpha, cutmix_alpha=config.cutmix_alpha)

"""Images of a split as the model takes them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy
import torch
from torch.nn import functional

from train_fn.image_cache import Pixels
from train_fn.material import Batch, Rows

OF_DEVICE = 0.25  # share of a device's free memory that images may take, beside model and other trials (assumption)
AT_ONCE = 1024  # images on their way to the device

Augment = Callable[[torch.Tensor, torch.Generator], torch.Tensor]  # uint8 (rows, 3, size, size) -> the same
# floats (rows, 3, size, size) and targets (rows, classes) -> both, mixed
Mix = Callable[[torch.Tensor, torch.Tensor, torch.Generator], tuple[torch.Tensor, torch.Tensor]]


@dataclass(frozen=True, kw_only=True)
class Normal:
    """From bytes to what the model was trained on; each is of shape (3, 1, 1)."""

    factor: float
    mean: torch.Tensor
    deviation: torch.Tensor

    def to(self, device: torch.device) -> "Normal":
        return replace(self, mean=self.mean.to(device), deviation=self.deviation.to(device))

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return (images.float() * self.factor - self.mean) / self.deviation


@dataclass(frozen=True, kw_only=True)
class Images:
    pixels: Pixels
    places: Rows  # of each row among the pixels: a fold has some of them
    size: int
    targets: torch.Tensor  # class ids; numbers; or 0 and 1 of shape (rows, labels)
    normal: Normal
    num_classes: int
    augment: Augment | None = None  # of a training split
    mix: Mix | None = None
    held: torch.Tensor | None = None  # all rows on the device, uint8 (rows, size, size, 3)
    groups: None = None

    @cached_property
    def lengths(self) -> numpy.ndarray:
        """An image counts as one token."""
        return numpy.ones(len(self.places), dtype=numpy.int64)

    def width(self, rows: Rows) -> int:
        return 1

    def to(self, device: torch.device) -> "Images":
        """All pixels move to a GPU that has room for them; a batch at a time to any other."""
        moved = replace(self, targets=self.targets.to(device), normal=self.normal.to(device))
        if device.type != "cuda" or not self.fits(torch.cuda.mem_get_info(device)[0]):
            return moved
        shape = (len(self.places), self.size, self.size, 3)
        held = torch.empty(shape, dtype=torch.uint8, device=device)
        for start in range(0, len(held), AT_ONCE):
            held[start : start + AT_ONCE] = torch.from_numpy(self.pixels.take(self.places[start : start + AT_ONCE]))
        return replace(moved, held=held)

    def fits(self, free: int) -> bool:
        return len(self.places) * self.size**2 * 3 <= OF_DEVICE * free

    def only(self, chosen: numpy.ndarray) -> "Images":
        """The rows where this is True."""
        return replace(self, places=self.places[chosen], targets=self.targets[torch.from_numpy(chosen)])

    def augmented(self, augment: Augment, mix: Mix | None) -> "Images":
        return replace(self, augment=augment, mix=mix)

    def with_targets(self, targets: torch.Tensor) -> "Images":
        return replace(self, targets=targets)

    def expect(self, batches: list[Rows]) -> None:
        if self.held is None:
            self.pixels.expect([self.places[rows] for rows in batches])

    def collate(self, rows: Rows) -> Batch:
        """`pixel_values` of shape (rows, 3, size, size). Mixed targets are shares of the classes (rows, classes)."""
        index = torch.from_numpy(rows).to(self.targets.device, non_blocking=True)
        images, targets = self.taken(rows, index), self.targets[index]
        if self.augment is not None:
            images = self.augment(images, torch.default_generator)
        values = self.normal(images)
        if self.mix is not None:
            if not targets.is_floating_point():
                targets = functional.one_hot(targets, self.num_classes).float()
            values, targets = self.mix(values, targets, torch.default_generator)
        return {"pixel_values": values}, targets

    def taken(self, rows: Rows, index: torch.Tensor) -> torch.Tensor:
        """uint8 (rows, 3, size, size) on the device."""
        if self.held is not None:
            return self.held[index].permute(0, 3, 1, 2)
        pixels = torch.from_numpy(self.pixels.take(self.places[rows]))
        if self.targets.device.type == "cuda":
            pixels = pixels.pin_memory()  # or the host would wait for the copy
        return pixels.to(self.targets.device, non_blocking=True).permute(0, 3, 1, 2)

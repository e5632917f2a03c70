"""Training images as they might also have looked: mirrored, cropped, or through RandAugment.

Every function takes a batch of square images, uint8 of shape (rows, 3, size, size), on any device, and gives another
such batch. Random numbers are drawn on the host, from the generator given: every device then shows the same images,
and the host never waits for one.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch.nn import functional

RATIO = 4 / 3  # of a crop's sides, at most, as in Inception

Operation = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # images, levels in [-1, 1] (rows,) -> images


def augment(
    images: torch.Tensor, generator: torch.Generator, *, flip: float, crop: float, layers: int, magnitude: float
) -> torch.Tensor:
    """Each of these where it is on: flip above 0, crop below 1, layers above 0."""
    if crop < 1:
        images = random_crop(images, generator, crop)
    if flip > 0:
        images = random_flip(images, generator, flip)
    return rand_augment(images, generator, layers, magnitude)


def random_flip(images: torch.Tensor, generator: torch.Generator, probability: float) -> torch.Tensor:
    """A horizontal mirror of some of them."""
    mirrored = torch.rand(len(images), generator=generator) < probability
    return torch.where(on(images, mirrored)[:, None, None, None], images.flip(3), images)


def random_crop(images: torch.Tensor, generator: torch.Generator, smallest: float) -> torch.Tensor:
    """A box of at least this share of the area, enlarged to the whole (Szegedy et al. 2014, arXiv:1409.4842)."""
    area = uniform(len(images), smallest, 1, generator)
    widest = area.log().neg().clamp(max=math.log(RATIO))  # a wider box of this area would stand out of the image
    stretch = (uniform(len(images), -1, 1, generator) * widest / 2).exp()
    width, height = area.sqrt() * stretch, area.sqrt() / stretch
    zero = torch.zeros_like(area)
    x, y = (uniform(len(images), -1, 1, generator) * (1 - side) for side in (width, height))
    return warp(images, torch.stack([width, zero, x, zero, height, y], dim=1), padding="border")


def rand_augment(images: torch.Tensor, generator: torch.Generator, layers: int, magnitude: float) -> torch.Tensor:
    """Cubuk et al. 2019 (arXiv:1909.13719): so many operations on each image, drawn evenly, all of one magnitude.

    Operations and their ranges are those of torchvision's RandAugment; magnitude 30 is their end. Half of the images go
    the other way where an operation has two.
    """
    for _ in range(layers):
        chosen = torch.randint(len(OPERATIONS), (len(images),), generator=generator)
        signs = torch.randint(2, (len(images),), generator=generator) * 2 - 1
        levels = on(images, signs * (magnitude / 30))
        after = images.clone()
        for number, operation in enumerate(OPERATIONS):
            rows = on(images, (chosen == number).nonzero().flatten())
            if len(rows):
                after[rows] = operation(images[rows], levels[rows])
        images = after
    return images


def identity(images: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    return images


def rotate(images: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    """By up to 30 degrees, counterclockwise for levels above 0."""
    angles = levels * math.radians(30)
    sine, cosine, zero = angles.sin(), angles.cos(), torch.zeros_like(angles)
    return warp(images, torch.stack([cosine, -sine, zero, sine, cosine, zero], dim=1))


def shear_x(images: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    zero, one = torch.zeros_like(levels), torch.ones_like(levels)
    return warp(images, torch.stack([one, 0.3 * levels, zero, zero, one, zero], dim=1))


def shear_y(images: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    zero, one = torch.zeros_like(levels), torch.ones_like(levels)
    return warp(images, torch.stack([one, zero, zero, 0.3 * levels, one, zero], dim=1))


def translate_x(images: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    """By up to 45 % of the width."""
    zero, one = torch.zeros_like(levels), torch.ones_like(levels)
    return warp(images, torch.stack([one, zero, 2 * 150 / 331 * levels, zero, one, zero], dim=1))


def translate_y(images: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    zero, one = torch.zeros_like(levels), torch.ones_like(levels)
    return warp(images, torch.stack([one, zero, zero, zero, one, 2 * 150 / 331 * levels], dim=1))


def brightness(images: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    return blend(torch.zeros_like(images).float(), images, levels)


def saturation(images: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    return blend(grey(images), images, levels)


def contrast(images: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    return blend(grey(images).mean(dim=(2, 3), keepdim=True).round(), images, levels)


def sharpness(images: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    """Away from, or towards, the image smoothed; its border stays as it is."""
    kernel = images.new_ones(3, 3, dtype=torch.float32)
    kernel[1, 1] = 5
    smooth = images.float()
    inner = functional.conv2d(smooth, (kernel / 13).expand(3, 1, 3, 3), groups=3)
    smooth[:, :, 1:-1, 1:-1] = inner.round()
    return blend(smooth, images, levels)


def posterize(images: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    """The highest 8 to 4 bits are kept."""
    lost = (4 * levels.abs()).round().to(torch.uint8)
    return images >> lost[:, None, None, None] << lost[:, None, None, None]


def solarize(images: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    """What is brighter than a threshold, from 255 down to 0, is inverted."""
    threshold = 255 * (1 - levels.abs())
    return torch.where(images >= threshold[:, None, None, None], 255 - images, images)


def auto_contrast(images: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    """Each channel from its darkest to its brightest value is stretched to 0 .. 255."""
    low, high = images.amin(dim=(2, 3), keepdim=True).float(), images.amax(dim=(2, 3), keepdim=True).float()
    stretched = (images - low) * (255 / (high - low).clamp(min=1))
    return torch.where(high > low, whole(stretched), images)


def equalize(images: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    """Each channel's values are spread so that all are about equally common; as Pillow does it, in whole numbers."""
    values = images.flatten(2).long()  # (rows, 3, pixels)
    counts = torch.zeros(*values.shape[:2], 256, dtype=torch.long, device=images.device)
    counts.scatter_add_(2, values, torch.ones_like(values))
    brightest = values.amax(dim=2, keepdim=True)
    step = (values.shape[2] - counts.gather(2, brightest)) // 255  # pixels for each of the new values
    below = counts.cumsum(dim=2) - counts
    table = ((below + step // 2) // step.clamp(min=1)).clamp(max=255)
    table = torch.where(step > 0, table, torch.arange(256, device=images.device))
    return table.gather(2, values).to(torch.uint8).view_as(images)


OPERATIONS: Sequence[Operation] = (
    identity,
    rotate,
    shear_x,
    shear_y,
    translate_x,
    translate_y,
    brightness,
    saturation,
    contrast,
    sharpness,
    posterize,
    solarize,
    auto_contrast,
    equalize,
)


def warp(images: torch.Tensor, matrices: torch.Tensor, padding: str = "zeros") -> torch.Tensor:
    """Each place shows what its matrix, flattened from (2, 3), sends it to; the centre is 0, an edge lies at 1."""
    grid = functional.affine_grid(on(images, matrices).view(-1, 2, 3), list(images.shape), align_corners=False)
    return whole(functional.grid_sample(images.float(), grid, padding_mode=padding, align_corners=False))


def blend(other: torch.Tensor, images: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    """As Pillow's enhancers: factor 0 is the other, 1 the image, and beyond it more of what tells the two apart."""
    factor = (1 + 0.9 * levels)[:, None, None, None]
    return whole(other + factor * (images - other))


def grey(images: torch.Tensor) -> torch.Tensor:
    """Luma of ITU-R 601, shape (rows, 1, size, size)."""
    red, green, blue = images.float().unbind(1)
    return (0.299 * red + 0.587 * green + 0.114 * blue).round().unsqueeze(1)


def whole(images: torch.Tensor) -> torch.Tensor:
    return images.round().clamp(0, 255).to(torch.uint8)


def uniform(rows: int, low: float, high: float, generator: torch.Generator) -> torch.Tensor:
    return low + (high - low) * torch.rand(rows, generator=generator)


def on(images: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
    """What was drawn on the host, where the images are."""
    return drawn.to(images.device, non_blocking=True)

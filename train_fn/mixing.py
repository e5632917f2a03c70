"""Two training images in one, and their targets with them; the batch is mixed with itself in another order.

One share for the whole batch, as in the papers' code: the weights of all rows then add up to what they were.
"""

import torch

Mixed = tuple[torch.Tensor, torch.Tensor]


def mix(
    images: torch.Tensor, targets: torch.Tensor, generator: torch.Generator, *, mixup_alpha: float, cutmix_alpha: float
) -> Mixed:
    """By one of the two, or by either, batch by batch, where both are above 0.

    Images are floats (rows, channels, height, width), targets floats (rows, classes), on any device.
    """
    both = mixup_alpha > 0 and cutmix_alpha > 0
    if mixup_alpha > 0 and not (both and torch.rand((), generator=generator) < 0.5):
        return mixup(images, targets, generator, mixup_alpha)
    return cutmix(images, targets, generator, cutmix_alpha) if cutmix_alpha > 0 else (images, targets)


def mixup(images: torch.Tensor, targets: torch.Tensor, generator: torch.Generator, alpha: float) -> Mixed:
    """Zhang et al. 2017 (arXiv:1710.09412): both blended by one share."""
    share, others = beta(alpha, generator), order(images, generator)
    return share * images + (1 - share) * images[others], share * targets + (1 - share) * targets[others]


def cutmix(images: torch.Tensor, targets: torch.Tensor, generator: torch.Generator, alpha: float) -> Mixed:
    """Yun et al. 2019 (arXiv:1905.04899): a box of one in the other; targets by the area that it really covers."""
    share, others = beta(alpha, generator), order(images, generator)
    height, width = images.shape[2:]
    top, bottom = edges(height, (1 - share) ** 0.5, generator)
    left, right = edges(width, (1 - share) ** 0.5, generator)
    pasted = images.clone()
    pasted[:, :, top:bottom, left:right] = images[others, :, top:bottom, left:right]
    kept = 1 - (bottom - top) * (right - left) / (height * width)
    return pasted, kept * targets + (1 - kept) * targets[others]


def edges(length: int, share: float, generator: torch.Generator) -> tuple[int, int]:
    """Of a span of this share around any place; what stands out is cut off."""
    centre, half = int(torch.randint(length, (), generator=generator)), int(length * share) // 2
    return max(0, centre - half), min(length, centre + half)


def beta(alpha: float, generator: torch.Generator) -> float:
    """Drawn from Beta(alpha, alpha): torch.distributions has it, too, but from no other than the global generator."""
    return float(torch._sample_dirichlet(torch.full((2,), alpha, dtype=torch.float64), generator)[0])


def order(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return torch.randperm(len(images), generator=generator).to(images.device, non_blocking=True)

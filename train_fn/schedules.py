"""How the learning rate moves over a run, as a factor of its peak."""

import math
from collections.abc import Callable, Mapping

from train_fn.config import ScheduleName

# share of the steps after warm-up; Hägele et al. 2024 (arXiv:2405.18392) gain little by more
COOLDOWN = 0.2


def schedule(name: ScheduleName, num_steps: int, warmup_ratio: float) -> Callable[[int], float]:
    """step -> factor, for steps 0 to num_steps - 1: linear warm-up, then the named shape.

    No step is wasted on a rate of 0: the first one comes after the ramp's foot, the last one before the shape's end.
    """
    num_warmup_steps = math.ceil(warmup_ratio * num_steps)
    shape = SHAPES[name]

    def factor(step: int) -> float:
        if step < num_warmup_steps:
            return (step + 1) / (num_warmup_steps + 1)
        return shape((step - num_warmup_steps) / (num_steps - num_warmup_steps))

    return factor


def constant(progress: float) -> float:
    return 1.0


def linear(progress: float) -> float:
    """As in BERT (Devlin et al. 2018, arXiv:1810.04805)."""
    return 1 - progress


def cosine(progress: float) -> float:
    """SGDR without restarts (Loshchilov & Hutter 2017, arXiv:1608.03983)."""
    return 0.5 * (1 + math.cos(math.pi * progress))


def wsd(progress: float) -> float:
    """Warmup-stable-decay (Hu et al. 2024, arXiv:2404.06395), cooled down as 1 - sqrt (Hägele et al. 2024)."""
    return 1 - math.sqrt(max(0.0, progress - (1 - COOLDOWN)) / COOLDOWN)


# progress after warm-up, in [0, 1] -> factor
SHAPES: Mapping[ScheduleName, Callable[[float], float]] = {
    "constant": constant,
    "linear": linear,
    "cosine": cosine,
    "wsd": wsd,
}

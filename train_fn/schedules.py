"""How the learning rate moves over a run, as a factor of each group's own peak."""

import math
from collections.abc import Callable, Mapping

from train_fn.config import ScheduleName, TrainingConfig
from train_fn.plan import ROUNDING

# of one_cycle: Smith & Topin 2017 (arXiv:1708.07120) in the form that fastai and torch made common
RISE = 0.3  # share of the steps over which the rate rises
START = 1 / 25  # of the peak
END = 1e-4  # of the start


def schedule(config: TrainingConfig, epoch_steps: int) -> Callable[[int, int], float]:
    """(step, drops) -> factor, for steps 0 to max_epochs * epoch_steps - 1: linear warm-up, then the named shape.

    No step is wasted on a rate of 0: the first one comes after the ramp's foot, the last one before the shape's end.
    `drops` is how often `plateau` has lowered the rate; the other shapes do not look at it.
    """
    num_steps = epoch_steps * config.max_epochs
    num_warmup_steps = warmup(config, num_steps)
    shape, floor = SHAPES[config.schedule](config, epoch_steps), config.min_learning_rate_ratio

    def factor(step: int, drops: int = 0) -> float:
        if step < num_warmup_steps:
            return (step + 1) / (num_warmup_steps + 1)
        height = shape(step - num_warmup_steps, num_steps - num_warmup_steps) * config.plateau_factor**drops
        return floor + (1 - floor) * height

    return factor


def warmup(config: TrainingConfig, num_steps: int) -> int:
    """Number of steps (Goyal et al. 2017, arXiv:1706.02677)."""
    if config.warmup_steps is not None:
        return min(config.warmup_steps, num_steps)
    return math.ceil(config.warmup_ratio * num_steps - ROUNDING)


Shape = Callable[[int, int], float]  # (step after warm-up, number of them) -> height in [0, 1]


def constant(config: TrainingConfig, epoch_steps: int) -> Shape:
    return lambda step, num_steps: 1.0


def linear(config: TrainingConfig, epoch_steps: int) -> Shape:
    """As in BERT (Devlin et al. 2018, arXiv:1810.04805)."""
    return lambda step, num_steps: 1 - step / num_steps


def cosine(config: TrainingConfig, epoch_steps: int) -> Shape:
    """SGDR without restarts (Loshchilov & Hutter 2016, arXiv:1608.03983)."""
    return lambda step, num_steps: half_cosine(step / num_steps)


def cosine_restarts(config: TrainingConfig, epoch_steps: int) -> Shape:
    """SGDR with cycles of equal length (Loshchilov & Hutter 2016, arXiv:1608.03983)."""
    return lambda step, num_steps: half_cosine(step * config.cosine_cycles / num_steps % 1)


def steps(config: TrainingConfig, epoch_steps: int) -> Shape:
    """Drops at regular intervals, as in ResNet (He et al. 2015, arXiv:1512.03385)."""
    return lambda step, num_steps: config.step_factor ** int(step / (config.step_epochs * epoch_steps) + ROUNDING)


def one_cycle(config: TrainingConfig, epoch_steps: int) -> Shape:
    """Up and down again along half cosines; warm-up is part of it, so more of it is seldom wanted."""

    def shape(step: int, num_steps: int) -> float:
        rise = RISE * num_steps
        if step < rise:
            return 1 - (1 - START) * half_cosine(step / rise)
        return START * END + (1 - START * END) * half_cosine((step - rise) / (num_steps - rise))

    return shape


def wsd(config: TrainingConfig, epoch_steps: int) -> Shape:
    """Warmup-stable-decay (Hu et al. 2024, arXiv:2404.06395), cooled down as 1 - sqrt (Hägele et al., 2405.18392)."""
    cooldown = config.cooldown_ratio
    return lambda step, num_steps: 1 - math.sqrt(max(0.0, step / num_steps - (1 - cooldown)) / cooldown)


def half_cosine(progress: float) -> float:
    """From 1 down to 0."""
    return 0.5 * (1 + math.cos(math.pi * progress))


SHAPES: Mapping[ScheduleName, Callable[[TrainingConfig, int], Shape]] = {
    "constant": constant,
    "linear": linear,
    "cosine": cosine,
    "cosine_restarts": cosine_restarts,
    "step": steps,
    "plateau": constant,  # what makes it fall are evaluations without gain
    "one_cycle": one_cycle,
    "wsd": wsd,
}

# the rate falls all the way to the end of the run: a trial that is stopped early never had the low ones
DECAYING = {"schedule": ("linear", "cosine", "cosine_restarts", "one_cycle")}

"""Dropout whose mask follows from a key, so that a lane drops the same units whoever trains beside it.

Torch's generators go on from call to call and know nothing of lanes; here a unit's place is hashed with the key of its
lane, step and dropout (counter-based random numbers, Salmon et al. 2011, SC'11), in the steps of SplitMix64 (Steele et
al. 2014, OOPSLA).
"""

from collections.abc import Iterator

import numpy
import torch
from torch import nn

from train_fn.seeding import seed_sequence

GOLDEN, FIRST, SECOND = (
    number - 2**64 if number >= 2**63 else number
    for number in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)
LEVELS = 2**24  # what one unit is drawn from: as many as fp32 tells apart
BITS = 16  # of a unit's place along each dimension: padding, which others may ask for, moves no unit


class KeyedDropout(nn.Module):
    """Dropout (Srivastava et al. 2014, JMLR 15); `rate` and `key` are buffers, so that each lane has its own."""

    rate: torch.Tensor  # scalar
    key: torch.Tensor  # int64 scalar, to be set before each pass

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.idle = False  # where no lane drops anything
        self.register_buffer("rate", torch.tensor(p), persistent=False)
        self.register_buffer("key", torch.zeros((), dtype=torch.int64), persistent=False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        if not self.training or self.idle:
            return inputs
        drawn = (mixed(places(inputs) * GOLDEN + self.key) & (LEVELS - 1)) / LEVELS
        return inputs * (drawn >= self.rate) / (1 - self.rate).to(inputs.dtype)

    def extra_repr(self) -> str:
        return f"p={self.p}"


def make_dropout_keyed(model: nn.Module) -> None:
    """Replace every `nn.Dropout`, in place."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Dropout:
                setattr(module, name, KeyedDropout(child.p))


def keyed_dropouts(model: nn.Module) -> Iterator[tuple[str, KeyedDropout]]:
    return ((name, module) for name, module in model.named_modules() if isinstance(module, KeyedDropout))


def places(like: torch.Tensor) -> torch.Tensor:
    """A number for each unit, from its row, token, head or column alone and not from the shape."""
    found = torch.zeros((), dtype=torch.int64, device=like.device)
    for size in like.shape:
        found = (found.unsqueeze(-1) << BITS) + torch.arange(size, device=like.device)
    return found


def mixed(numbers: torch.Tensor) -> torch.Tensor:
    """int64 to int64, each bit hanging on every bit; products wrap, and the sign that shifts bring in is cut off."""
    numbers = (numbers ^ shifted(numbers, 30)) * FIRST
    numbers = (numbers ^ shifted(numbers, 27)) * SECOND
    return numbers ^ shifted(numbers, 31)


def shifted(numbers: torch.Tensor, by: int) -> torch.Tensor:
    return (numbers >> by) & ((1 << (64 - by)) - 1)


def keys(seeds: torch.Tensor, steps: torch.Tensor, part: int, count: int) -> torch.Tensor:
    """Of `count` dropouts in the model, for each lane: int64 (count, lanes)."""
    dropouts = torch.arange(count, device=seeds.device).unsqueeze(1)
    return mixed(mixed(mixed(seeds + steps * GOLDEN) + part) + dropouts * FIRST)


def seed_of(seed: int) -> int:
    """int64."""
    return int(seed_sequence(seed, "dropout").generate_state(1, numpy.uint64)[0] >> 1)

"""Dropout whose mask follows from a key, so that a lane drops the same units whichever lanes train beside it.

Torch's generators go on from call to call and know nothing of lanes; here a unit's number is hashed with the key of its
lane, step and place (counter-based random numbers, Salmon et al. 2011, SC'11), in the steps of SplitMix64 (Steele et
al. 2014, OOPSLA).
"""

import torch
from torch import nn

GOLDEN, FIRST, SECOND = (
    number - 2**64 if number >= 2**63 else number
    for number in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)
LEVELS = 2**24  # what one unit is drawn from: as many as fp32 tells apart


class KeyedDropout(nn.Module):
    """Dropout (Srivastava et al. 2014, JMLR 15); `rate` and `key` are buffers, so that each lane has its own."""

    rate: torch.Tensor  # scalar
    key: torch.Tensor  # int64 scalar, to be set before each step

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("rate", torch.zeros(()))
        self.register_buffer("key", torch.zeros((), dtype=torch.int64))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return inputs
        units = torch.arange(inputs.numel(), device=inputs.device).view(inputs.shape)
        drawn = (mixed(units * GOLDEN + self.key) & (LEVELS - 1)) / LEVELS
        return inputs * (drawn >= self.rate) / (1 - self.rate)


def mixed(numbers: torch.Tensor) -> torch.Tensor:
    """int64 to int64, each bit hanging on every bit; products wrap, and the sign that shifts bring in is cut off."""
    numbers = (numbers ^ shifted(numbers, 30)) * FIRST
    numbers = (numbers ^ shifted(numbers, 27)) * SECOND
    return numbers ^ shifted(numbers, 31)


def shifted(numbers: torch.Tensor, by: int) -> torch.Tensor:
    return (numbers >> by) & ((1 << (64 - by)) - 1)


def keys(seeds: torch.Tensor, steps: torch.Tensor, place: int) -> torch.Tensor:
    """Of one dropout in the model, for each lane (lanes,)."""
    return mixed(mixed(seeds + steps * GOLDEN) + torch.tensor(place, device=seeds.device) * FIRST)

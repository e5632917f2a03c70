"""Averages of the weights along a run, which often generalise better than the last ones."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

WARMUP = 10  # steps; a young average forgets faster, or the weights of the start would weigh on it (assumption)


@torch.no_grad()
def update_ema(average: Sequence[torch.Tensor], weights: Sequence[torch.Tensor], decay: float, count: int) -> None:
    """Exponential moving average (Polyak & Juditsky 1992; Tarvainen & Valpola 2017, arXiv:1703.01780), in place."""
    torch._foreach_lerp_(list(average), list(weights), 1 - min(decay, (1 + count) / (WARMUP + count)))


@torch.no_grad()
def update_swa(average: Sequence[torch.Tensor], weights: Sequence[torch.Tensor], count: int) -> None:
    """Stochastic weight averaging (Izmailov et al. 2018, arXiv:1803.05407): the mean of `count` earlier and this."""
    torch._foreach_lerp_(list(average), list(weights), 1 / (count + 1))


@contextmanager
def holding(parameters: Sequence[nn.Parameter], values: Sequence[torch.Tensor] | None) -> Iterator[None]:
    """The parameters hold these values inside, and their own again after: pointers change hands, nothing is copied."""
    own = [parameter.data for parameter in parameters]
    if values is None:
        yield
        return
    try:
        for parameter, value in zip(parameters, values, strict=True):
            parameter.data = value
        yield
    finally:
        for parameter, value in zip(parameters, own, strict=True):
            parameter.data = value

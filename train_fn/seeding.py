"""Which random numbers a run draws: each stream is a pure function of (seed, purpose, index).

The order of rows has a stream for each epoch, dropout one for each optimizer step. No stream goes on from one index to
the next, so a checkpoint holds no random state, a step can be taken again from where it began, and what a resumed run
draws cannot depend on how it came there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import numpy
import torch

Purpose = Literal["weights", "order", "dropout"]
NUMBERS: dict[Purpose, int] = {"weights": 0, "order": 1, "dropout": 2}


def seed_sequence(seed: int, purpose: Purpose, *index: int) -> numpy.random.SeedSequence:
    """Unlike seed + epoch, neighbouring seeds and epochs share nothing."""
    return numpy.random.SeedSequence([seed, NUMBERS[purpose], *index])


def generator(seed: int, purpose: Purpose, *index: int) -> numpy.random.Generator:
    return numpy.random.default_rng(seed_sequence(seed, purpose, *index))


@contextmanager
def torch_stream(seed: int, purpose: Purpose, *index: int) -> Iterator[None]:
    """Torch's global stream inside, for new weights and dropout can draw from no other; the caller's one after."""
    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    number = int(seed_sequence(seed, purpose, *index).generate_state(1, numpy.uint64)[0])
    with torch.random.fork_rng(devices=devices):
        # not `torch.manual_seed`: it remembers the stack of its caller for each kind of device that is not there, which
        # takes longer than the smallest steps do
        torch.default_generator.manual_seed(number)
        if devices:
            torch.cuda.manual_seed_all(number)
        yield

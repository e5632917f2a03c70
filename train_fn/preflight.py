"""The largest steps that a run may take, so that their memory and time are known before it begins."""

from collections.abc import Iterator
from typing import TypeVar

import torch

from train_fn.batches import EVALUATION_ROWS
from train_fn.config import ImageConfig, TextConfig
from train_fn.precision import autocast, products
from train_fn.setup import begin
from train_fn.state import captured
from train_fn.step import take_step

Config = TypeVar("Config", TextConfig, ImageConfig)


def preflight(config: Config) -> Iterator[None]:
    """Each time one step on as many of the longest rows as a batch has; before the first one what an evaluation takes.

    A run of several processes or folds is measured as one of them.
    """
    setup, state = begin(config)
    longest = setup.train.lengths.argsort(kind="stable")[::-1].copy()
    steps, kept = 0, None
    while True:
        taken = take_step(setup, state, longest[: config.batch_size])
        if steps == 0:
            rows = setup.valid.lengths.argsort(kind="stable")[::-1][:EVALUATION_ROWS].copy()
            state.model.eval()
            with (
                torch.inference_mode(),
                products(setup.precision, setup.device),
                autocast(setup.precision, setup.device),
            ):
                state.model(**setup.valid.collate(rows)[0])
        # a checkpoint that is being written, while the next steps are taken
        kept = kept or captured(state, setup.processor, setup.scale, {}, {}).copy()
        taken.sum().item()  # waits for the device
        steps = (steps + 1) % setup.plan.num_steps  # a schedule ends
        state.step = steps
        yield

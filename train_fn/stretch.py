"""The steps from one evaluation to the next."""

import time
from collections.abc import Generator

import numpy
import torch

from train_fn.batches import parts, share
from train_fn.divergence import divergence
from train_fn.material import Rows
from train_fn.monitoring import copied, learning_rates, peak_megabytes, update_ratios
from train_fn.report import BETWEEN_STEPS, Report
from train_fn.setup import Setup
from train_fn.state import State
from train_fn.step import take_step

LOOK = 32  # steps; a look at the losses waits for the device, so a divergence is seen so many steps late at most


def train_stretch(
    setup: Setup, state: State, batches: list[Rows], asked: bool | None = None
) -> Generator[Report, bool | None, tuple[dict[str, float], str | None]]:
    """Take one step per batch; what they were like, and why the run is beyond hope, if so.

    As long as somebody has asked for it, each moment between two steps is told.
    """
    stretch = Stretch(setup, state, batches)
    for rows in batches:
        if asked:
            setup.world.settle()
            waits = time.perf_counter()
            asked = yield BETWEEN_STEPS
            stretch.began += time.perf_counter() - waits
        stretch.begin_step()
        stretch.end_step(take_step(setup, state, rows))
        if stretch.diverged:
            return {}, stretch.diverged
    return stretch.told(), None


class Stretch:
    """What the steps are like that a run takes on these batches."""

    def __init__(self, setup: Setup, state: State, batches: list[Rows]) -> None:
        self.setup, self.state, self.batches = setup, state, batches
        self.began, self.last = time.perf_counter(), state.step + len(batches)
        self.unseen: list[torch.Tensor] = []  # of steps that the host has not waited for
        self.seen = numpy.empty((0, 3))  # loss, rows and gradient norm of each step
        self.before: list[list[torch.Tensor]] = []  # the weights before the last step
        self.ratios: dict[str, float] = {}
        self.diverged: str | None = None
        world, groups = setup.world, setup.train.groups
        setup.train.expect([share(rows, world.rank, world.size, groups) for rows in batches])

    def begin_step(self) -> None:
        if self.state.step + 1 == self.last:
            self.before = copied(self.state.optimizer)

    def end_step(self, taken: torch.Tensor) -> None:
        self.unseen.append(taken)
        if self.state.step == self.last:
            self.ratios = update_ratios(self.before, self.state.optimizer)
        if self.state.step == self.last or len(self.unseen) == LOOK:
            seen, self.unseen = look(self.setup, self.unseen), []
            self.seen = numpy.concatenate([self.seen, seen])
            self.diverged = self.diverged or first_divergence(self.setup, self.state, seen)

    def told(self) -> dict[str, float]:
        setup, state, batches = self.setup, self.state, self.batches
        seconds = time.perf_counter() - self.began
        rate = setup.config.learning_rate * setup.factor(state.step - 1, state.drops)
        losses, counts, norms = self.seen.T
        read = sum(int(setup.train.lengths[rows].sum()) for rows in batches)
        return {
            "train_loss": float(losses.sum() / counts.sum()),
            "grad_norm": mean_of_finite(norms),
            "learning_rate": rate,
            **learning_rates(state.optimizer, rate),
            **self.ratios,
            "micro_batch_size": state.micro_batch_size,
            "padding_efficiency": read / sum(padded_tokens(setup, state, rows) for rows in batches),
            "speed/tokens_per_second": read / seconds,
            "time/step_seconds": seconds / len(batches),
            "time/train_seconds": seconds,
            "memory/peak_mb": peak_megabytes(setup.device),
        }


def mean_of_finite(norms: numpy.ndarray) -> float:
    """fp16 skips the steps whose gradients overflow; if it had to skip all, there is no norm to tell."""
    finite = norms[numpy.isfinite(norms)]
    return float(finite.mean()) if len(finite) else 0.0


def look(setup: Setup, taken: list[torch.Tensor]) -> numpy.ndarray:
    """The one moment at which the host waits for the device."""
    seen = torch.stack(taken)
    losses = seen[:, 0].contiguous()
    setup.world.add_up([losses])  # counts and norms are of the whole batch already
    seen[:, 0] = losses
    return seen.double().numpy(force=True)


def first_divergence(setup: Setup, state: State, seen: numpy.ndarray) -> str | None:
    # fp16 skips the steps whose gradients overflow, and asks for less the next time, until there is no less
    overflow_allowed = setup.precision == "fp16" and state.scaler.get_scale() > 1
    for step, (loss, count, norm) in enumerate(seen, start=state.step - len(seen) + 1):
        state.trend = state.trend.after(loss / count)
        reason = divergence(loss / count, norm, overflow_allowed, state.trend, setup.config.spike_factor)
        if reason:
            return f"{reason} at step {step}"
    return None


def padded_tokens(setup: Setup, state: State, rows: Rows) -> int:
    return sum(setup.train.width(part) * len(part) for part in parts(rows, state.micro_batch_size, setup.train.groups))

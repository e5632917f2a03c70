"""Runs that train together from one report to the next, each as `train_fn.loop.fine_tune` would train it alone."""

import json
import time
from collections.abc import Collection, Sequence
from pathlib import Path

import torch

from train_fn.config import TrainingConfig
from train_fn.evaluation import Evaluation
from train_fn.fused.dropout import seed_of
from train_fn.fused.stack import Stack
from train_fn.fused.steps import evaluated_together, same_rows, take_steps
from train_fn.loop import average, batches_from, best_again, evaluated, given_up, judged, next_stretch, start
from train_fn.material import Rows
from train_fn.report import Report
from train_fn.setup import Setup, material_of
from train_fn.state import State
from train_fn.stretch import Stretch
from train_fn.waiting import better_before

# settings that a step's shape, or what is computed in it, depends on
SHARED = ("batch_size", "micro_batch_size", "r_drop", "precision")


class Lane:
    """A run, at the beginning or where its checkpoint was written."""

    def __init__(self, config: TrainingConfig, resume_from: Path | None = None) -> None:
        self.setup, self.state = start(config, resume_from, material_of)
        self.batches = batches_from(self.setup, self.state.step)
        self.stretch: list[Rows] = []  # to be trained next
        self.over = False
        self.shape = shape_of(self.setup, self.state)

    def look_ahead(self) -> bool:
        """Whether there is anything to train before the next report."""
        self.stretch = [] if self.over else next_stretch(self.setup, self.state, self.batches)
        return bool(self.stretch)

    def told(self, stretch: Stretch, found: tuple[Evaluation, float] | None) -> Report:
        """After a stretch; nothing was found of one that diverged."""
        if stretch.diverged is not None or found is None:
            report = given_up(self.setup, self.state, str(stretch.diverged))
        else:
            evaluation, seconds = found
            report = judged(self.setup, self.state, evaluation, stretch.told() | {"time/eval_seconds": seconds})
        self.over = report.diverged is not None
        return report

    def last_report(self) -> Report | None:
        """Where there is nothing to train; None at the very end."""
        self.over = self.over or not better_before(self.state)
        return None if self.over else best_again(self.setup, self.state)


def shape_of(setup: Setup, state: State) -> str:
    """Lanes of which this is the same can train as one."""
    settings = [getattr(setup.config, name) for name in SHARED]
    weights = {name: list(parameter.shape) for name, parameter in state.model.named_parameters()}
    return json.dumps([settings, str(setup.device), setup.precision, state.model.config.model_type, weights])


class Lanes:
    """Those that are there, by shape; one that does not train in a round keeps its place."""

    def __init__(self) -> None:
        self.there: list[Lane] = []
        self.stacks: dict[str, tuple[list[Lane], Stack]] = {}

    def join(self, lane: Lane) -> None:
        """torch.OutOfMemoryError where there is no room for one more; the others are as they were."""
        self.there.append(lane)
        try:
            reserve_moments(lane.state)
            self._stack([one for one in self.there if one.shape == lane.shape])
        except torch.OutOfMemoryError:
            self.leave(lane)
            raise

    def leave(self, lane: Lane) -> None:
        """What it held is free with the next round of those of its shape, or at once where there are none."""
        self.there.remove(lane)
        if lane.shape not in {one.shape for one in self.there}:
            self.stacks.pop(lane.shape, None)

    def train(self, chosen: Collection[Lane]) -> dict[Lane, Report | None]:
        """The next report of each of the chosen; None of one that is over."""
        going = [lane for lane in self.there if lane in chosen and lane.look_ahead()]
        found = {lane: lane.last_report() for lane in chosen if lane not in going}
        for shape in dict.fromkeys(lane.shape for lane in going):
            alike = [lane for lane in self.there if lane.shape == shape]
            longest_first = sorted(alike, key=lambda lane: len(lane.stretch) if lane in going else 0, reverse=True)
            mine = [lane for lane in longest_first if lane in going]
            found |= train_together(self._stack(longest_first), mine)
        return found

    def _stack(self, lanes: list[Lane]) -> Stack:
        """Of all lanes of a shape, in this order."""
        shape = lanes[0].shape
        if shape not in self.stacks or self.stacks[shape][0] != lanes:
            self.stacks.pop(shape, None)
            models, seeds = [lane.state.model for lane in lanes], [seed_of(lane.setup.config.seed) for lane in lanes]
            self.stacks[shape] = lanes, Stack(models, seeds)
        return self.stacks[shape][1]


def reserve_moments(state: State) -> None:
    """An optimizer makes its two moments in its first step, when it is too late to tell that there is no room.

    Torch keeps what it once had.
    """
    moments = [torch.empty_like(parameter) for parameter in state.learned.values() for _ in range(2)]
    del moments


def train_together(stack: Stack, lanes: Sequence[Lane]) -> dict[Lane, Report | None]:
    """The first lanes of the stack, those with the most batches first."""
    stretches = [Stretch(lane.setup, lane.state, lane.stretch) for lane in lanes]
    for number in range(len(lanes[0].stretch)):
        still = [lane for lane in lanes if number < len(lane.stretch)]
        for stretch in stretches[: len(still)]:
            stretch.begin_step()
        runs = [(lane.setup, lane.state) for lane in still]
        taken = take_steps(stack, runs, [lane.stretch[number] for lane in still])
        for stretch, one in zip(stretches, taken, strict=False):
            stretch.end_step(one)
    alive = [stretch.diverged is None for stretch in stretches]
    for lane, lives in zip(lanes, alive, strict=True):
        if lives:
            average(lane.setup, lane.state)
    found = evaluations(stack, lanes, alive)
    return {
        lane: lane.told(stretch, found.get(place))
        for place, (lane, stretch) in enumerate(zip(lanes, stretches, strict=True))
    }


def evaluations(stack: Stack, lanes: Sequence[Lane], alive: Sequence[bool]) -> dict[int, tuple[Evaluation, float]]:
    """By place, of those that live: together where they can be, and the seconds that it took."""
    living = [place for place, lives in enumerate(alive) if lives]
    plain = [place for place in living if lanes[place].state.average is None]  # whose weights are those of the stack
    together = [place for place in plain if same_rows(lanes[place].setup.valid, lanes[plain[0]].setup.valid)]
    began = time.perf_counter()
    judged = evaluated_together(stack, together, [(lanes[place].setup, lanes[place].state) for place in together])
    seconds = time.perf_counter() - began
    apart = {place: evaluated(lanes[place].setup, lanes[place].state) for place in living if place not in together}
    return apart | {place: (one, seconds) for place, one in zip(together, judged, strict=True)}

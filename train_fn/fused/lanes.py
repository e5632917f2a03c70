"""Runs that train together from one report to the next, each as `train_fn.loop.fine_tune` would train it alone."""

import hashlib
import json
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import torch

from train_fn.config import TrainingConfig
from train_fn.dropout import FIELDS
from train_fn.evaluation import Evaluation
from train_fn.fused.dropout import keyed_dropouts, seed_of
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
SHARED = ("batch_size", "micro_batch_size", "r_drop", "precision", "lora_rank", "lora_alpha", "lora_targets")
Found = Report | Exception | None  # None: the run is over


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

    def told(
        self, training: Mapping[str, float], diverged: str | None, evaluation: tuple[Evaluation, float] | None
    ) -> Report:
        """After a stretch; one that diverged was not evaluated."""
        if evaluation is None:
            report = given_up(self.setup, self.state, str(diverged))
        else:
            report = judged(self.setup, self.state, evaluation[0], {**training, "time/eval_seconds": evaluation[1]})
        self.over = report.diverged is not None
        return report

    def last_report(self) -> Report | None:
        """Where there is nothing to train; None at the very end."""
        self.over = self.over or not better_before(self.state)
        return None if self.over else best_again(self.setup, self.state)

    def let_go(self) -> None:
        """Of its memory, at once: models hold circles, and wait for the garbage collector."""
        for parameter in self.state.model.parameters():
            parameter.data, parameter.grad = parameter.new_empty(0), None
        self.state.optimizer.state.clear()
        self.state.average = self.state.best = None


def shape_of(setup: Setup, state: State) -> str:
    """Lanes of which this is the same can train as one: all that layers hold, but for weights and rates of dropout."""
    model = state.model
    own = {field for fields in FIELDS[model.config.model_type].values() for field in fields}
    keyed = [name for name, _ in keyed_dropouts(model)]
    buffers = hashlib.sha256()
    for name, buffer in model.named_buffers():
        if name.rpartition(".")[0] not in keyed:
            buffers.update(
                f"{name} {buffer.dtype}".encode() + buffer.cpu().flatten().view(torch.uint8).numpy().tobytes()
            )
    return json.dumps(
        [
            [getattr(setup.config, name) for name in SHARED],
            [str(setup.device), setup.precision],
            {name: value for name, value in model.config.to_dict().items() if name not in own},
            {name: [*parameter.shape] for name, parameter in model.named_parameters()},
            keyed,
            buffers.hexdigest(),
        ],
        default=str,
    )


class Lanes:
    """Those that are there, by shape; one that does not train in a round keeps its place."""

    def __init__(self) -> None:
        self.there: list[Lane] = []
        self.stacks: dict[str, tuple[list[Lane], Stack]] = {}

    def join(self, lane: Lane) -> None:
        """torch.OutOfMemoryError where there is no room for one more; the others are as they were."""
        self.there.append(lane)
        try:
            reserve_moments([one.state for one in self.there])
            self._stack([one for one in self.there if one.shape == lane.shape])
        except BaseException:
            self.leave(lane)
            raise

    def leave(self, lane: Lane) -> None:
        """And what it held is free."""
        self.there.remove(lane)
        self.stacks.pop(lane.shape, None)
        lane.let_go()
        if alike := [one for one in self.there if one.shape == lane.shape]:
            self._stack(alike)

    def train(self, chosen: Collection[Lane]) -> dict[Lane, Found]:
        """The next report of each of the chosen, or what was raised: by one for itself, or by all that train as one."""
        found: dict[Lane, Found] = {}
        going = []
        for lane in [one for one in self.there if one in chosen]:
            try:
                if lane.look_ahead():
                    going.append(lane)
                else:
                    found[lane] = lane.last_report()
            except Exception as error:
                found[lane] = error
        for shape in dict.fromkeys(lane.shape for lane in going):
            alike = [lane for lane in self.there if lane.shape == shape]
            longest_first = sorted(alike, key=lambda lane: len(lane.stretch) if lane in going else 0, reverse=True)
            mine = [lane for lane in longest_first if lane in going]
            try:
                found |= train_together(self._stack(longest_first), mine)
            except Exception as error:
                found |= dict.fromkeys(mine, error)
        return found

    def _stack(self, lanes: list[Lane]) -> Stack:
        """Of all lanes of a shape, in this order."""
        shape = lanes[0].shape
        if shape not in self.stacks or self.stacks[shape][0] != lanes:
            self.stacks.pop(shape, None)
            models, seeds = [lane.state.model for lane in lanes], [seed_of(lane.setup.config.seed) for lane in lanes]
            self.stacks[shape] = lanes, Stack(models, seeds)
        return self.stacks[shape][1]


def reserve_moments(states: Sequence[State]) -> None:
    """An optimizer makes its two moments in its first step, when it is too late to tell that there is no room.

    Torch keeps what it once had.
    """
    begins = [parameter for state in states if not state.optimizer.state for parameter in state.learned.values()]
    moments = [torch.empty_like(parameter) for parameter in begins for _ in range(2)]
    del moments


def train_together(stack: Stack, lanes: Sequence[Lane]) -> dict[Lane, Found]:
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
    training = [stretch.told() if stretch.diverged is None else {} for stretch in stretches]
    peak = max(told.get("memory/peak_mb", 0.0) for told in training)  # whoever asks first resets it
    for told in training:
        told["memory/peak_mb"] = peak
    alive = [place for place, stretch in enumerate(stretches) if stretch.diverged is None]
    for place in alive:
        average(lanes[place].setup, lanes[place].state)
    judged_together = evaluations(stack, lanes, alive)
    found: dict[Lane, Found] = {}
    for place, lane in enumerate(lanes):
        try:
            evaluation = judged_together.get(place)
            if evaluation is None and place in alive:
                evaluation = evaluated(lane.setup, lane.state)
            found[lane] = lane.told(training[place], stretches[place].diverged, evaluation)
        except Exception as error:
            found[lane] = error
    return found


def evaluations(stack: Stack, lanes: Sequence[Lane], alive: Sequence[int]) -> dict[int, tuple[Evaluation, float]]:
    """By place, of those that can be evaluated together, and the seconds that it took."""
    plain = [place for place in alive if lanes[place].state.average is None]  # whose weights are those of the stack
    together = [place for place in plain if same_rows(lanes[place].setup.valid, lanes[plain[0]].setup.valid)]
    began = time.perf_counter()
    found = evaluated_together(stack, together, [(lanes[place].setup, lanes[place].state) for place in together])
    seconds = time.perf_counter() - began
    return {place: (one, seconds) for place, one in zip(together, found, strict=True)}

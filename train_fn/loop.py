"""The training loop."""

import json
import math
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from train_fn.averaging import holding, update_swa
from train_fn.batches import training_batches
from train_fn.config import TrainingConfig
from train_fn.evaluation import Evaluation, evaluate
from train_fn.material import Rows
from train_fn.monitoring import histograms
from train_fn.report import Report
from train_fn.resuming import load_state
from train_fn.setup import MakeMaterial, Setup, begin, material_of
from train_fn.shown_rows import with_rows
from train_fn.state import EVALUATION, Captured, State, captured
from train_fn.stretch import train_stretch
from train_fn.waiting import better_before, check_waiting, out_of_patience, restore_best, wait_for_gain
from train_fn.world import ALONE


def fine_tune(
    config: TrainingConfig, resume_from: Path | None = None, make_material: MakeMaterial = material_of
) -> Generator[Report, bool | None, None]:
    """Train, evaluate and report, until the steps or the patience are used up.

    For as long as True is sent back it yields BETWEEN_STEPS before each step, too.
    """
    setup, state = start(config, resume_from, make_material)
    batches, asked = batches_from(setup, state.step), None
    while stretch := next_stretch(setup, state, batches):
        training, diverged = yield from train_stretch(setup, state, stretch, asked)
        if diverged is not None:
            yield given_up(setup, state, diverged)
            return
        average(setup, state)
        evaluation, seconds = evaluated(setup, state)
        told = judged(setup, state, evaluation, training | {"time/eval_seconds": seconds})
        asked = yield told
        if told.diverged is not None:
            return
    if better_before(state):
        yield best_again(setup, state)


def start(config: TrainingConfig, resume_from: Path | None, make_material: MakeMaterial) -> tuple[Setup, State]:
    """At the first step, or where the checkpoint was written."""
    setup, state = begin(config, make_material)
    check_waiting(setup)
    if resume_from is not None:
        load_state(resume_from, state, config)
    return setup, state


def next_stretch(setup: Setup, state: State, batches: Iterator[Rows]) -> list[Rows]:
    """The batches up to the next evaluation; none where the steps or the patience are used up."""
    if is_over(setup, state):
        return []
    state.restored = False  # with more patience than it ended with, a run goes on from its best weights
    return list(islice(batches, setup.plan.next_evaluation(state.step) - state.step))


def is_over(setup: Setup, state: State) -> bool:
    return state.step >= setup.plan.num_steps or out_of_patience(setup, state)


def given_up(setup: Setup, state: State, reason: str, metrics: Mapping[str, float] | None = None) -> Report:
    return Report(epoch=epoch(setup, state), metrics=metrics or {}, diverged=reason)


def judged(setup: Setup, state: State, evaluation: Evaluation, training: Mapping[str, float]) -> Report:
    """What is said, and kept in mind, after a stretch."""
    metrics = {**evaluation.metrics, **training}
    if not math.isfinite(evaluation.metrics["loss"]):
        finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
        return given_up(setup, state, f"valid loss is {evaluation.metrics['loss']} at step {state.step}", finite)
    wait_for_gain(setup, state, evaluation.metrics)
    return report(setup, state, metrics, evaluation.details)


def best_again(setup: Setup, state: State) -> Report:
    """The run's result is of an earlier evaluation."""
    restore_best(state)
    evaluation, seconds = evaluated(setup, state)
    return report(setup, state, evaluation.metrics | {"time/eval_seconds": seconds}, evaluation.details)


def batches_from(setup: Setup, step: int) -> Iterator[Rows]:
    """The rows of each step to come."""
    for epoch in range(step // setup.plan.epoch_steps, setup.config.max_epochs):
        done = max(0, step - epoch * setup.plan.epoch_steps)
        yield from training_batches(setup.train, setup.config, epoch)[done:]


def epoch(setup: Setup, state: State) -> float:
    return state.step / setup.plan.epoch_steps


def average(setup: Setup, state: State) -> None:
    """SWA takes in the weights of each evaluation in the last part of the run."""
    start = setup.config.swa_start
    if start is None or state.step < start * setup.plan.num_steps:
        return
    weights = list(state.learned.values())
    if state.average is None:
        state.average = [parameter.detach().clone() for parameter in weights]
    else:
        update_swa(state.average, weights, state.num_averaged)
    state.num_averaged += 1


def evaluated(setup: Setup, state: State) -> tuple[Evaluation, float]:
    """Of the averaged weights, where there are such; and how many seconds it took."""
    began = time.perf_counter()
    with holding(list(state.learned.values()), state.average):
        evaluation = evaluate(
            state.model,
            setup.valid,
            setup.precision,
            task=setup.task,
            labels=setup.labels,
            scale=setup.scale,
            # who holds a share of the weights must go through every batch with the others
            world=setup.world if setup.config.sharding == "none" else ALONE,
        )
    return evaluation, time.perf_counter() - began


def report(setup: Setup, state: State, metrics: Mapping[str, float], details: Mapping[str, Any]) -> Report:
    if setup.config.per_class_metrics:
        metrics = {**metrics, **of_each_class(details)}
    details = {**with_rows(details, setup.show), "model": setup.summary}
    if setup.config.histograms:
        details["weights"] = histograms(state.learned.items())
        if not state.restored:  # the best weights come without the gradients that led to them
            details["gradients"] = histograms((name, p.grad) for name, p in state.learned.items() if p.grad is not None)

    def capture() -> Captured:
        return captured(
            state,
            setup.processor,
            setup.scale,
            asdict(setup.config),
            {"epoch": epoch(setup, state), "metrics": metrics, **without_rows(details)},
        )

    if setup.config.sharding == "full":  # the others go on at once, so what they hold is gathered now
        gathered = capture().copy()
        return Report(epoch=epoch(setup, state), metrics=metrics, save=gathered.save, details=details)
    return Report(
        epoch=epoch(setup, state),
        metrics=metrics,
        save=lambda folder: capture().save(folder),
        snapshot=None if is_over(setup, state) else lambda: capture().copy().save,  # for the steps that follow
        details=details,
    )


def last_report(config: TrainingConfig, checkpoint: Path, make_material: MakeMaterial = material_of) -> Report:
    """Of a run that is over, made again: its checkpoint tells of no single row."""
    setup, state = begin(config, make_material)
    load_state(checkpoint, state, config)
    kept = json.loads((checkpoint / EVALUATION).read_text(encoding="utf-8"))
    evaluation, _ = evaluated(setup, state)
    return report(setup, state, kept["metrics"], evaluation.details)


def without_rows(details: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint may be handed on, with a model in it, to people who are not to see the data."""
    return {name: value for name, value in details.items() if name not in ("wrong", "predictions")}


def of_each_class(details: Mapping[str, Any]) -> dict[str, float]:
    return {
        f"{name}/{label}": scores[name]
        for label, scores in details["classes"].items()
        for name in ("precision", "recall", "f1")
    }

"""Which trials are beyond hope: their loss is no number, or stays far above the best that it had."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpo.divergence import NEAR_START, Divergence, SpikeRule
from hpo.history import Evaluation, State, Trial
from hpo.objective import Objective
from tests.hpo.test_engine import new_engine, run, toy_study

OBJECTIVE = [Objective(maximize="accuracy")]
EPOCHS = 40


def ended_at(losses: Sequence[float], rule: SpikeRule | None = None) -> int | None:
    """The first report, counted from 0, that ends the trial."""
    rule = rule or SpikeRule()
    divergence, trial = Divergence(OBJECTIVE, rule), Trial(number=0, params={}, asked=0.0)
    for index, loss in enumerate(losses):
        trial.evaluations.append(evaluation(index + 1, {"train_loss": loss, "accuracy": 0.5}))
        if divergence.of(trial):
            return index
    return None


def evaluation(step: int, metrics: dict[str, float], diverged: str | None = None) -> Evaluation:
    return Evaluation(step=step, epoch=step, metrics=metrics, seconds=1.0, checkpoint=None, diverged=diverged, time=0.0)


def healthy(seed: int) -> np.ndarray:
    """A training loss that falls to a floor, with noise to the right, jumps that pass, and now and then a restart."""
    random = np.random.default_rng(seed)
    start, floor = random.uniform(0.5, 5), random.choice([0.001, 0.02, 0.3])
    loss = floor + start * np.exp(-np.arange(EPOCHS) / random.uniform(1, 15))
    loss *= random.lognormal(0, random.choice([0.02, 0.1, 0.3]), EPOCHS)
    for place in random.integers(2, EPOCHS, size=2):
        loss[place] = random.uniform(1, 3) * start  # one bad evaluation
    if random.random() < 0.5:  # the rate is set back to its peak, and the loss comes down again
        place = random.integers(10, 30)
        loss[place : place + 5] += 0.5 * start * np.exp(-np.arange(5))
    return loss


def diverging(seed: int) -> tuple[np.ndarray, int]:
    """The same, until it leaves for chance or for far above it, at once or by and by; and since when."""
    random = np.random.default_rng(seed)
    loss, since = healthy(seed), int(random.integers(5, EPOCHS - 12))
    rise = np.arange(1, EPOCHS - since + 1)
    kind = seed % 3
    if kind == 0:  # back to what it was before it had learned anything, and it had learned most by then
        loss[:since] = np.minimum(loss[:since], loss[0] * np.exp(-np.arange(since)))
        loss[since:] = loss[0] * random.lognormal(0, 0.03, EPOCHS - since)
    elif kind == 1:  # it explodes
        loss[since:] = loss[since - 1] * random.uniform(2, 5) ** rise
    else:  # it drifts away
        loss[since:] = loss[0] * (0.5 + random.uniform(0.2, 0.4) * rise)
    return loss, since


def test_each_of_50_diverging_curves_is_caught_and_none_before_it_leaves() -> None:
    found = [(ended_at(losses), since) for losses, since in map(diverging, range(50))]
    assert all(end is not None and end >= since for end, since in found), found


def test_none_of_200_healthy_noisy_curves_is_stopped() -> None:
    assert [seed for seed in range(200) if ended_at(healthy(seed)) is not None] == []


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("metric", ["train_loss", "accuracy"])
def test_what_is_no_number_ends_the_trial_at_once(metric: str, wrong: float) -> None:
    trial = Trial(number=0, params={}, asked=0.0)
    trial.evaluations.append(evaluation(1, {"train_loss": 1.0, "accuracy": 0.5, metric: wrong}))
    assert Divergence(OBJECTIVE, SpikeRule()).of(trial) == f"{metric} is {wrong} at epoch 1"


def test_another_metric_may_be_no_number() -> None:
    trial = Trial(number=0, params={}, asked=0.0)
    trial.evaluations.append(evaluation(1, {"auc": math.nan, "accuracy": 0.5}))
    assert Divergence(OBJECTIVE, SpikeRule()).of(trial) == ""


def test_the_reason_tells_loss_factor_and_best() -> None:
    trial, divergence = Trial(number=0, params={}, asked=0.0), Divergence(OBJECTIVE, SpikeRule(patience=2))
    said = []
    for step, loss in enumerate([1.0, 0.5, 4.0, 4.0], start=1):
        trial.evaluations.append(evaluation(step, {"train_loss": loss, "accuracy": 0.5}))
        said.append(divergence.of(trial))
    assert said == [
        "",
        "",
        "",
        "train_loss is 4 at epoch 4, for 2 reports more than 3 times its best mean 0.737",
    ]


def test_a_validation_loss_that_overfits_is_not_watched() -> None:
    """By overfitting alone it rises fivefold, and the trial may be the best of all."""
    trial, divergence = Trial(number=0, params={}, asked=0.0), Divergence([Objective(minimize="loss")], SpikeRule())
    for step in range(1, 30):
        trial.evaluations.append(evaluation(step, {"loss": 0.3 * step, "train_loss": 1 / step}))
        assert divergence.of(trial) == ""


def test_only_reports_in_a_row_count() -> None:
    assert ended_at([1.0, 9.0, 9.0, 1.0] * 5) is None
    assert ended_at([1.0, 9.0, 9.0, 9.0]) == 3


def test_another_metric_is_watched_where_the_study_file_names_it() -> None:
    trial = Trial(number=0, params={}, asked=0.0)
    divergence = Divergence([Objective(minimize="loss")], SpikeRule(metric="loss", patience=1))
    trial.evaluations += [evaluation(1, {"loss": 1.0}), evaluation(2, {"loss": 4.0})]
    assert divergence.of(trial).startswith("loss is 4 at epoch 2")


def test_without_a_factor_only_what_is_no_number_counts() -> None:
    assert ended_at([1.0, 1e9, 1e9, 1e9, 1e9], SpikeRule(factor=None)) is None
    assert ended_at([1.0, 1e9, math.nan], SpikeRule(factor=None)) == 2


losses = st.lists(st.floats(-1e6, 1e6, allow_nan=False), min_size=1, max_size=30)


@settings(deadline=None)
@given(losses)
def test_a_loss_below_where_it_began_never_ends_a_trial(values: list[float]) -> None:
    first = max(map(abs, values)) + 1.0
    assert ended_at([first, *(min(value, NEAR_START * first) for value in values)], SpikeRule(patience=1)) is None


@settings(deadline=None)
@given(losses, losses, st.integers(0, 29), st.integers(1, 3))
def test_a_trial_that_went_back_to_a_checkpoint_is_judged_by_what_it_has_reported_since(
    before: list[float], again: list[float], back_to: int, patience: int
) -> None:
    """What is remembered between reports is a fold of the trial's reports, and nothing else."""
    rule = SpikeRule(patience=patience, factor=1.5, window=3)
    kept, trial = Divergence(OBJECTIVE, rule), Trial(number=0, params={}, asked=0.0)
    said = []
    for round, values in enumerate((before, again)):
        if round:
            trial.forget_after(back_to)
        for value in values:
            trial.evaluations.append(evaluation(len(trial.evaluations) + 1, {"train_loss": value, "accuracy": 0.5}))
            said.append((kept.of(trial), Divergence(OBJECTIVE, rule).of(trial)))
    assert all(one == other for one, other in said)


def test_a_diverging_trial_of_a_study_ends_as_diverged_and_cannot_win(folder: Path) -> None:
    study = toy_study(
        divergence={"metric": "cost", "patience": 1, "factor": 1.01},
        objective={"maximize": "cost"},  # so that every trial moves away from its best
        search={"trials": 2, "scheduler": "fifo", "searcher": "random"},
        config={"max_epochs": 9, "diverges_at": 5},
    )
    engine = run(new_engine(folder, study))
    assert {trial.state for trial in engine.history.trials} == {State.DIVERGED}
    assert engine.history.winner(study.objective) is None


def test_a_metric_that_the_study_file_names_must_be_reported(folder: Path) -> None:
    study = toy_study(divergence={"metric": "loss"}, search={"trials": 1})
    engine = run(new_engine(folder, study))
    assert engine.history.trials[0].state is State.FAILED
    assert (
        engine.history.trials[0].reason == "reported no loss, the metric of `divergence`; its metrics are cost, score"
    )

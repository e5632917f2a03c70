"""What every scheduler decides, and that asynchronous halving decides as published."""

import random

import pytest
from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler

from hpo.history import Evaluation, History, Trial
from hpo.objective import Objective
from hpo.schedulers import SCHEDULERS
from hpo.schedulers.asha import ASHA

OBJECTIVE = Objective(maximize="score")


def report(trial: Trial, epoch: float, score: float) -> None:
    step = len(trial.evaluations) + 1
    trial.evaluations.append(
        Evaluation(
            step=step, epoch=epoch, metrics={"score": score}, seconds=1.0, checkpoint=None, diverged=None, time=0.0
        )
    )


def history_of(trials: int) -> History:
    return History(trials=[Trial(number=number, params={}, asked=0.0) for number in range(trials)])


@pytest.mark.parametrize("name", sorted(SCHEDULERS))
def test_the_first_trial_is_never_stopped(name: str) -> None:
    history = history_of(1)
    scheduler = SCHEDULERS[name](objective=OBJECTIVE)
    for epoch in range(1, 30):
        report(history.trials[0], epoch, -epoch)
        assert not scheduler.judge(history, history.trials[0]).stop


def test_asha_stops_below_the_top_third_and_says_why() -> None:
    history, asha = history_of(4), ASHA(objective=OBJECTIVE)
    for trial, score in zip(history.trials, (0.5, 0.7, 0.6), strict=False):
        report(trial, 1, score)
    report(history.trials[3], 1, 0.4)
    decision = asha.judge(history, history.trials[3])
    assert decision.stop
    assert decision.reason == "epoch 1: score 0.4000 below the cutoff 0.6333 of 3 trials before it"
    assert decision.inputs == {"rung": 1, "score": 0.4, "cutoff": pytest.approx(0.6 + 0.1 / 3), "trials": 3}


def test_a_trial_that_reported_no_objective_does_not_disturb_the_others() -> None:
    history, asha = history_of(2), ASHA(objective=OBJECTIVE)
    history.trials[0].evaluations.append(
        Evaluation(step=1, epoch=1, metrics={}, seconds=1.0, checkpoint=None, diverged="loss is nan", time=0.0)
    )
    report(history.trials[1], 1, 0.5)
    assert not asha.judge(history, history.trials[1]).stop


def test_asha_minimizes_as_it_maximizes() -> None:
    history, asha = history_of(4), ASHA(objective=Objective(minimize="score"))
    for trial, score in zip(history.trials, (0.5, 0.3, 0.4, 0.6), strict=True):
        report(trial, 1, score)
    decision = asha.judge(history, history.trials[3])
    assert decision.stop and "0.6000 above the cutoff 0.3667" in decision.reason


def test_between_rungs_there_is_nothing_to_decide() -> None:
    history, asha = history_of(4), ASHA(objective=OBJECTIVE)
    for trial in history.trials:
        report(trial, 1, 1.0)
        report(trial, 2, 0.0)
    assert asha.judge(history, history.trials[3]).inputs == {}


@pytest.mark.parametrize("seed", range(50))
def test_asha_decides_as_rays_does(seed: int) -> None:
    """Random curves, reported trial by trial in random order; rungs at 1, 3 and 9 epochs."""
    rng = random.Random(seed)
    trials, epochs = 20, 9
    curves = [[rng.random() for _ in range(epochs)] for _ in range(trials)]
    ours, history = ASHA(objective=OBJECTIVE), history_of(trials)
    rays = AsyncHyperBandScheduler(
        time_attr="epoch", metric="score", mode="max", grace_period=1, reduction_factor=3, max_t=100
    )

    class RayTrial:
        def __init__(self, number: int) -> None:
            self.trial_id = str(number)

    there = [RayTrial(number) for number in range(trials)]
    for trial in there:
        rays.on_trial_add(None, trial)  # type: ignore[arg-type]
    live, epoch = set(range(trials)), [0] * trials
    while live:
        number = rng.choice(sorted(live))
        best = max(curves[number][: epoch[number] + 1])  # ours ranks by the best score so far: give both the same
        epoch[number] += 1
        report(history.trials[number], epoch[number], best)
        expected = rays.on_trial_result(None, there[number], {"epoch": epoch[number], "score": best})  # type: ignore[arg-type]
        decision = ours.judge(history, history.trials[number])
        assert decision.stop == (expected == TrialScheduler.STOP)
        if decision.stop or epoch[number] == epochs:
            live.discard(number)


def test_a_trial_at_full_budget_is_complete_and_never_stopped() -> None:
    history, asha = history_of(2), ASHA(objective=OBJECTIVE, max_epochs=3)
    for trial, score in zip(history.trials, (0.9, 0.1), strict=True):
        for epoch in (1, 2, 3):
            report(trial, epoch, score if epoch == 3 else 0.5)
    assert asha.judge(history, history.trials[1]).inputs == {}

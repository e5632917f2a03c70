"""What every scheduler decides, and that each decides as published."""

import random
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from ray.tune.schedulers import AsyncHyperBandScheduler, MedianStoppingRule, TrialScheduler

from hpo.errors import UsageError
from hpo.event import Event
from hpo.history import History, State
from hpo.objective import Objective
from hpo.schedulers import SCHEDULERS, build_scheduler
from hpo.schedulers.asha import ASHA
from hpo.schedulers.decision import Action, Decision, Promote, Start
from hpo.schedulers.fidelity import FidelityCheck
from hpo.schedulers.hyperband import bracket_table
from hpo.schedulers.median import MedianRule
from hpo.schedulers.pasha import noise, ranked_alike
from hpo.schedulers.quantile import Quantile
from hpo.schedulers.rung import rung_epochs
from hpo.schedulers.scheduler import Scheduler
from hpo.searchers import Searcher, build_searcher
from hpo.simulator.contract import CHECKS, SPACE, survives_a_crash_at_any_event
from hpo.simulator.simulation import Curve, Epoch, Simulation
from hpo.space import Params

SCORE = Objective(maximize="score")
PAUSING = sorted(name for name, cls in SCHEDULERS.items() if cls.needs_checkpoints)


class Played:
    """A scheduler, and a history in which trials report in the order of the test's choosing."""

    def __init__(self, scheduler: Scheduler, trials: int) -> None:
        self.scheduler, self.history = scheduler, History()
        for _ in range(trials):
            self.happens("asked", params={}, bracket=0)

    def happens(self, kind: str, trial: int | None = None, step: int | None = None, **payload: object) -> None:
        event = Event(0, 0.0, kind, trial, 1, step, payload)
        self.history.apply(event)
        self.scheduler.apply(self.history, event)

    def report(self, trial: int, epoch: float, checkpoint: str | None = "checkpoint", **metrics: float) -> Decision:
        step = self.history.trials[trial].last_step + 1
        says = {"metrics": metrics, "seconds": 1.0, "checkpoint": checkpoint, "diverged": None}
        self.happens("reported", trial, step, epoch=epoch, **says)
        return self.scheduler.judge(self.history, self.history.trials[trial])


class RayTrial:
    def __init__(self, number: int) -> None:
        self.trial_id = str(number)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_scheduler_keeps_the_contract(name: str, check) -> None:  # type: ignore[no-untyped-def]
    check(SCHEDULERS[name])


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", [name for name in SCHEDULERS if name != "pbt"])
def test_every_scheduler_keeps_the_contract_with_controls(name: str, check) -> None:  # type: ignore[no-untyped-def]
    check(partial(controlled, name))


def controlled(name: str, **given: object) -> Scheduler:
    return build_scheduler(name, control_share=0.3, **given)


@pytest.mark.hard
@pytest.mark.parametrize("name", SCHEDULERS)
def test_decisions_after_a_crash_at_any_event_are_those_without_one(name: str) -> None:
    """benchmarks/crashes.py takes 200 studies of each."""
    survives_a_crash_at_any_event(SCHEDULERS[name], seeds=range(30))


def test_asha_stops_below_the_top_third_and_says_why() -> None:
    played = Played(ASHA(objective=SCORE), trials=4)
    for trial, score in enumerate((0.5, 0.7, 0.6)):
        played.report(trial, 1, score=score)
    decision = played.report(3, 1, score=0.4)
    assert decision.stop
    assert decision.reason == "epoch 1: score 0.4000 below the cutoff 0.6333 of 3 trials before it"
    assert decision.inputs == {"rung": 1, "score": 0.4, "cutoff": pytest.approx(0.6 + 0.1 / 3), "trials": 3}


def test_a_trial_that_diverged_on_a_rung_does_not_disturb_the_others() -> None:
    played = Played(ASHA(objective=SCORE), trials=2)
    played.happens("reported", 0, 1, epoch=1, metrics={}, seconds=1.0, checkpoint=None, diverged="loss is nan")
    assert not played.report(1, 1, score=0.5).inputs


def test_asha_minimizes_as_it_maximizes() -> None:
    played = Played(ASHA(objective=Objective(minimize="score")), trials=4)
    *_, decision = [played.report(trial, 1, score=score) for trial, score in enumerate((0.5, 0.3, 0.4, 0.6))]
    assert decision.stop and "0.6000 above the cutoff 0.3667" in decision.reason


def test_between_rungs_there_is_nothing_to_decide() -> None:
    played = Played(ASHA(objective=SCORE), trials=4)
    for trial in range(4):
        played.report(trial, 1, score=1.0)
    assert not any(played.report(trial, 2, score=0.0).inputs for trial in range(4))


def test_a_trial_at_full_budget_is_complete_and_never_stopped() -> None:
    played = Played(ASHA(objective=SCORE, max_epochs=3), trials=2)
    for trial, last in enumerate((0.9, 0.1)):
        for epoch in (1, 2, 3):
            decision = played.report(trial, epoch, score=last if epoch == 3 else 0.5)
    assert not decision.inputs


@pytest.mark.parametrize("seed", range(200))
def test_asha_decides_as_rays_does(seed: int) -> None:
    """Random traces: 20 trials, some scores equal, reported in random order; rungs at 1, 3 and 9 epochs."""
    rng = random.Random(seed)
    trials, epochs = 20, 9
    curves = [[round(rng.random(), rng.choice((1, 15))) for _ in range(epochs)] for _ in range(trials)]
    ours = Played(ASHA(objective=SCORE), trials)
    rays = AsyncHyperBandScheduler(
        time_attr="epoch", metric="score", mode="max", grace_period=1, reduction_factor=3, max_t=100
    )

    there = [RayTrial(number) for number in range(trials)]
    for trial in there:
        rays.on_trial_add(None, trial)  # type: ignore[arg-type]
    live, epoch, stopped = set(range(trials)), [0] * trials, 0
    while live:
        number = rng.choice(sorted(live))
        best = max(curves[number][: epoch[number] + 1])  # ours ranks by the best score so far: give both the same
        epoch[number] += 1
        expected = rays.on_trial_result(None, there[number], {"epoch": epoch[number], "score": best})  # type: ignore[arg-type]
        decision = ours.report(number, epoch[number], score=best)
        assert decision.stop == (expected == TrialScheduler.STOP)
        stopped += decision.stop
        if decision.stop or epoch[number] == epochs:
            live.discard(number)
    assert 0 < stopped < trials


@pytest.mark.parametrize("seed", range(20))
def test_the_quantile_is_numpys_to_the_last_bit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=100).round(int(rng.integers(1, 16))).tolist()
    for factor in (2, 3, 4, 5):
        share = 1 - 1 / factor
        quantile = Quantile(share)
        for trial, score in enumerate(scores):
            quantile.record(trial, score)
            assert quantile.value() == np.percentile(scores[: trial + 1], 100 * share)


@pytest.mark.parametrize("seed", range(20))
def test_of_a_trial_that_arrives_again_the_quantile_knows_the_last_score_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    share = 1 - 1 / 3
    quantile, last = Quantile(share), dict[int, float]()
    for trial, score in zip(rng.integers(20, size=100).tolist(), rng.normal(size=100).tolist(), strict=True):
        if trial % 5:
            quantile.record(trial, score)
            last[trial] = score
        else:
            quantile.discard(trial + 1)
            last.pop(trial + 1, None)
        if last:
            assert quantile.value() == np.percentile(list(last.values()), 100 * share)


def test_hyperbands_brackets_are_those_of_the_papers_table() -> None:
    """Li et al. 2018, table 1: R = 81, eta = 3."""
    assert bracket_table(rung_epochs(1, 3, 81), 3) == [
        [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
        [(34, 3), (11, 9), (3, 27), (1, 81)],
        [(15, 9), (5, 27), (1, 81)],
        [(8, 27), (2, 81)],
        [(5, 81)],
    ]


@pytest.mark.parametrize("seed", range(20))
def test_the_median_rule_decides_as_rays_does(seed: int) -> None:
    rng = random.Random(seed)
    ours = Played(MedianRule(objective=SCORE), trials=10)
    rays = MedianStoppingRule(time_attr="epoch", metric="score", mode="max", grace_period=0, min_samples_required=3)
    there, nobody_waits = [RayTrial(number) for number in range(10)], SimpleNamespace(get_live_trials=list)
    live, epoch = set(range(10)), [0] * 10
    while live:
        number = rng.choice(sorted(live))
        epoch[number] += 1
        score = rng.random()
        expected = rays.on_trial_result(nobody_waits, there[number], {"epoch": epoch[number], "score": score})  # type: ignore[arg-type]
        decision = ours.report(number, epoch[number], score=score)
        assert decision.stop == (expected == TrialScheduler.STOP)
        if decision.stop or epoch[number] == 6:
            live.discard(number)
    assert any(count < 6 for count in epoch)


@pytest.mark.parametrize("seed", range(20))
def test_promoting_asha_takes_the_trial_that_the_papers_algorithm_takes(seed: int) -> None:
    """Li et al. 2020, algorithm 2, `get_job`, written down as it stands there."""

    def get_job(rungs: list[dict[int, float]], promoted: list[set[int]]) -> int | None:
        for rung, gone in reversed(list(zip(rungs, promoted, strict=True))):
            best = sorted(rung, key=lambda trial: (-rung[trial], trial))[: len(rung) // 3]
            if candidates := [trial for trial in best if trial not in gone]:
                return candidates[0]
        return None

    rng = random.Random(seed)
    rungs: list[dict[int, float]] = [{}, {}, {}]
    promoted: list[set[int]] = [set(), set(), set()]
    ours = Played(build_scheduler("promoting_asha", objective=SCORE, max_epochs=27, trials=None), trials=0)
    ready: list[int] = []  # trained up to their next rung
    level: dict[int, int] = {}
    for _ in range(150):
        if len(ready) > 3:  # workers
            trial = ready.pop(rng.randrange(len(ready)))
            rung = level[trial]
            rungs[rung][trial] = rng.random() + rung
            said = ours.report(trial, 3**rung, score=rungs[rung][trial])
            assert (said.action is Action.GO_ON) == (get_job(rungs, promoted) == trial)
            if said.action is Action.GO_ON:
                promoted[rung].add(trial)
                level[trial] += 1
                ready += [trial] * (level[trial] < 3)
            else:
                ours.happens("paused", trial)
            continue
        expected, said = get_job(rungs, promoted), ours.scheduler.next(ours.history)
        if expected is None:
            assert said == Start()
            level[len(level)] = 0
            ready.append(len(level) - 1)
            ours.happens("asked", params={}, bracket=0)
        else:
            assert isinstance(said, Promote) and said.trial == expected
            ours.happens("continued", expected)
            promoted[level[expected]].add(expected)
            level[expected] += 1
            ready += [expected] * (level[expected] < 3)
    assert promoted[1], "nothing was promoted twice"


def test_a_played_hyperband_trains_what_the_papers_table_says() -> None:
    """R = 81, eta = 3: of all trials of a bracket, how many trained up to each rung."""
    history = played("hyperband", max_epochs=81, trials=81 + 34 + 15 + 8 + 5)
    assert not [trial for trial in history.trials if not trial.state.ended]
    for number, rungs in enumerate(bracket_table(rung_epochs(1, 3, 81), 3)):
        epochs = [trial.evaluations[-1].epoch for trial in history.trials if trial.bracket == number]
        assert [(sum(one >= rung for one in epochs), rung) for _, rung in rungs] == rungs
        assert set(epochs) <= {rung for _, rung in rungs}


@pytest.mark.parametrize("name", ("hyperband", "promoting_asha", "asha"))
def test_bohbs_model_has_every_result_of_every_rung(name: str) -> None:
    given = {"space": SPACE, "objective": SCORE, "seed": 0}
    scheduler = build_scheduler(name, max_epochs=27, trials=60, **given)
    searcher = build_searcher("bohb", rungs=scheduler.rungs, **given)
    history = played(scheduler, searcher, max_epochs=27)
    searcher.propose(history)
    for column, rung in enumerate(scheduler.rungs):
        arrived = sum(trial.evaluations[-1].epoch >= rung for trial in history.trials)
        assert searcher._seen.count(column) == arrived > 0  # type: ignore[attr-defined]


def played(scheduler: Scheduler | str, searcher: Searcher | None = None, max_epochs: int = 27, trials: int = 27,
           curve: Curve | None = None) -> History:  # fmt: skip
    """A study on curves of one shape, so that the first rung ranks trials as the last."""
    given = {"space": SPACE, "objective": SCORE, "seed": 0}
    if isinstance(scheduler, str):
        scheduler = build_scheduler(scheduler, max_epochs=max_epochs, trials=trials, **given)
    simulation = Simulation(
        searcher=searcher or build_searcher("random", **given),
        scheduler=scheduler,
        objective=SCORE,
        curve=curve or (lambda params, epoch: Epoch({"score": float(params["share"]) - 1 / epoch})),  # type: ignore[arg-type]
        max_epochs=max_epochs,
    )
    list(simulation.run())
    return simulation.history


def test_pasha_trains_only_its_winner_beyond_the_second_rung_while_the_ranking_holds() -> None:
    epochs = sorted(trial.evaluations[-1].epoch for trial in played("pasha").trials)
    assert epochs[-1] == 27 and epochs[-2] == 3


def test_pasha_opens_higher_rungs_where_the_ranking_turns() -> None:
    def turning(params: Params, epoch: int) -> Epoch:
        share = float(params["share"])  # type: ignore[arg-type]
        return Epoch({"score": share if epoch < 3 else 2 - share})

    epochs = sorted(trial.evaluations[-1].epoch for trial in played("pasha", curve=turning).trials)
    assert epochs[-2] >= 9


def test_curves_that_cross_and_cross_back_are_noise() -> None:
    assert noise([[0, 1, 0, 1], [1, 0, 1, 0.9]]) == pytest.approx(0.1)
    assert noise([[0, 1, 2], [1, 0, 0]]) == 0, "they crossed once: the ranking changed"
    assert ranked_alike({0: 0.5, 1: 0.52, 2: 0.9}, {0: 0.6, 1: 0.55, 2: 0.8}, epsilon=0.03)
    assert not ranked_alike({0: 0.5, 1: 0.52, 2: 0.9}, {0: 0.6, 1: 0.55, 2: 0.8}, epsilon=0.01)


def test_a_population_keeps_its_size_and_its_children_begin_where_a_better_one_stands() -> None:
    history = played("pbt", max_epochs=20, trials=8)
    children = [trial for trial in history.trials if trial.parent]
    assert len([trial for trial in history.trials if trial.state is State.COMPLETE]) == 8
    assert len(children) > 8
    for child in children:
        parent, step = child.parent or (0, 0)
        began = history.trials[parent].evaluations[step - 1]
        assert child.from_epoch == began.epoch and child.evaluations[0].epoch == began.epoch + 1
        assert child.params != history.trials[parent].params


def test_a_population_ends_better_than_it_began_and_than_without_exchange() -> None:
    def last(name: str) -> float:
        done = [trial for trial in played(name, max_epochs=20, trials=8).trials if trial.state is State.COMPLETE]
        return float(np.mean([trial.evaluations[-1].metrics["score"] for trial in done]))

    assert last("pbt") > last("fifo") + 0.1


def test_controls_train_on_and_the_scheduler_hears_of_them_no_more() -> None:
    given = {"space": SPACE, "objective": SCORE, "seed": 0, "max_epochs": 27, "trials": 200}
    check = build_scheduler("asha", {"first_rung": 3}, control_share=0.1, **given)
    history = played(check)
    assert isinstance(check, FidelityCheck)
    losers = [trial for trial in history.trials if trial.state is State.PRUNED]
    assert 0.05 < len(check.controls) / (len(losers) + len(check.controls)) < 0.15
    assert all(history.trials[number].state is State.COMPLETE for number in check.controls)
    lost_at_first = {number for number in check.controls if history.trials[number].decision["rung"] == 3}
    at_second = {trial.number for trial in history.trials if trial.evaluations[-1].epoch >= 9}
    assert set(check.scheduler._at[1]._scores) == at_second - lost_at_first != at_second  # type: ignore[attr-defined]


@pytest.mark.parametrize("sign", (1, -1))
def test_rank_correlation_and_regret_are_those_of_the_curves(sign: int) -> None:
    """Scores at the first rung rank as at the end, or the other way round."""

    def curve(params: Params, epoch: int) -> Epoch:
        share = float(params["share"])  # type: ignore[arg-type]
        return Epoch({"score": share if epoch < 9 else 2 + sign * share})

    given = {"space": SPACE, "objective": SCORE, "max_epochs": 27, "trials": 50}
    regrets = []
    for seed in range(10):
        check = build_scheduler("asha", {"first_rung": 3}, control_share=0.1, seed=seed, **given)
        history = played(check, build_searcher("random", space=SPACE, objective=SCORE, seed=seed), curve=curve)
        assert isinstance(check, FidelityCheck)
        tau, trials = check.rank_correlation(3)
        assert tau == pytest.approx(sign) and trials > len(check.controls) > 0
        final = {trial.number: trial.value(SCORE) for trial in history.trials if trial.state is State.COMPLETE}
        best = [max(value for n, value in final.items() if (n in check.controls) is kind) for kind in (True, False)]
        assert check.regret() == max(0.0, best[0] - best[1])  # type: ignore[operator]
        regrets.append(check.regret())
    assert (max(regrets) == 0) if sign > 0 else (max(regrets) > 0)


@pytest.mark.parametrize("name", ("asha", "promoting_asha", "hyperband"))
@pytest.mark.parametrize("informative", (True, False))
def test_only_a_first_rung_that_says_nothing_is_skipped(name: str, informative: bool) -> None:
    skipped = 0
    for seed in range(10):

        def curve(params: Params, epoch: int, seed: int = seed) -> Epoch:
            share, luck = float(params["share"]), random.Random(f"{seed}/{params}/{epoch < 3}").random()  # type: ignore[arg-type]
            return Epoch({"score": share + 0.3 * luck + 2 if epoch >= 3 else share if informative else luck})

        given = {"space": SPACE, "objective": SCORE, "seed": seed, "max_epochs": 27, "trials": 300}
        check = build_scheduler(name, control_share=0.1, **given)
        played(check, build_searcher("random", space=SPACE, objective=SCORE, seed=seed), curve=curve)
        skipped += check.skipped  # type: ignore[attr-defined]
    assert skipped == 0 if informative else skipped >= 6


@pytest.mark.parametrize("name", PAUSING)
def test_a_scheduler_that_pauses_refuses_trials_without_checkpoints(name: str) -> None:
    played = Played(build_scheduler(name, objective=SCORE, max_epochs=9, trials=3, seed=0, space=None), trials=1)
    with pytest.raises(UsageError, match="has no checkpoint to go on from; give Report a `save`"):
        played.report(0, 1, checkpoint=None, score=0.5)


@pytest.mark.parametrize("name", ("hyperband", "async_hyperband"))
def test_brackets_need_to_know_the_full_budget(name: str) -> None:
    with pytest.raises(UsageError, match="give `max_epochs` under `config`"):
        build_scheduler(name, objective=SCORE, max_epochs=None)

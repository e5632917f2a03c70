"""Peers of `benchmarks/search_quality.py`: the searchers and schedulers of Optuna and Ray Tune, by a fake clock.

What runs is their own code: Optuna's samplers and pruners by ask and tell; Ray Tune's scheduler and searcher objects,
called in the order in which `ray/tune/execution/tune_controller.py` (2.60) calls them, without actors. Each peer says
what a free worker does next and what becomes of a trial after a report; `play` is the clock.
"""

import heapq
import logging
import math
import warnings
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, Protocol

import numpy as np
from search_tasks import Task

WORKERS = 4


class Trial:
    """One configuration, with what Ray's schedulers read of theirs."""

    is_saving = False

    def __init__(self, number: int, params: dict[str, Any]) -> None:
        self.trial_id, self.params, self.status, self.epoch = str(number), params, "PENDING", 0


class Peer(Protocol):
    def next(self) -> Trial | None:
        """A new or a paused trial; None where there is nothing now."""

    def report(self, trial: Trial, epoch: int, value: float) -> str:
        """CONTINUE, PAUSE or STOP; a diverged trial has a nan, and ends."""


def play(task: Task, peer: Peer) -> Iterator[float]:
    """The value after each epoch of any trial, in the order of the clock."""
    clock, order, metric = 0.0, count(), task.objective.metric
    due: list[tuple[float, int, Trial]] = []

    def train(trial: Trial) -> None:
        seconds = task.curve(trial.params, trial.epoch + 1).seconds
        heapq.heappush(due, (clock + seconds, next(order), trial))

    while True:
        while len(due) < WORKERS and (trial := peer.next()):
            train(trial)
        clock, _, trial = heapq.heappop(due)
        trial.epoch += 1
        said = task.curve(trial.params, trial.epoch)
        value = math.nan if said.diverged else said.metrics[metric]
        yield value
        if peer.report(trial, trial.epoch, value) == "CONTINUE":
            train(trial)


class Optuna:
    """TPE as Optuna 5 has it by default, with one of its pruners."""

    def __init__(self, task: Task, seed: int, pruner: Any) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.task, self.live = task, dict[str, Any]()
        self.study = optuna.create_study(
            study_name=f"{task.name}/{seed}",  # Hyperband's brackets are drawn from it
            sampler=optuna.samplers.TPESampler(seed=seed),
            pruner=pruner,
            direction="maximize" if task.objective.sign > 0 else "minimize",
        )

    def next(self) -> Trial:
        ask = self.study.ask(distributions(self.task))
        trial = Trial(ask.number, ask.params)
        self.live[trial.trial_id] = ask
        return trial

    def report(self, trial: Trial, epoch: int, value: float) -> str:
        from optuna.trial import TrialState

        ask = self.live[trial.trial_id]
        if math.isnan(value):
            self.study.tell(ask, state=TrialState.FAIL)
            return "STOP"
        ask.report(value, epoch)
        if epoch == self.task.max_epochs:
            self.study.tell(ask, value)
        elif ask.should_prune():
            self.study.tell(ask, state=TrialState.PRUNED)
        else:
            return "CONTINUE"
        return "STOP"


def optuna_hyperband(task: Task, seed: int) -> Peer:
    from optuna.pruners import HyperbandPruner

    return Optuna(task, seed, HyperbandPruner(min_resource=task.first_rung, max_resource=task.max_epochs))


def optuna_halving(task: Task, seed: int) -> Peer:
    from optuna.pruners import SuccessiveHalvingPruner

    return Optuna(task, seed, SuccessiveHalvingPruner(min_resource=task.first_rung, reduction_factor=3))


def optuna_tpe(task: Task, seed: int) -> Peer:
    from optuna.pruners import NopPruner

    return Optuna(task, seed, NopPruner())


def distributions(task: Task) -> dict[str, Any]:
    from optuna.distributions import FloatDistribution, IntDistribution

    return {
        name: (IntDistribution if of.whole else FloatDistribution)(  # type: ignore[operator]
            *((int(of.low), int(of.high)) if of.whole else (of.low, of.high)), log=of.log
        )
        for name, of in task.numbers.items()
    }


class Ray:
    """A scheduler and a searcher of Ray Tune, and of its controller what these two call."""

    def __init__(self, task: Task, searcher: Any, scheduler: Any, epochs_per_unit: int = 1) -> None:
        self.task, self.searcher, self.scheduler, self.unit = task, searcher, scheduler, epochs_per_unit
        self.search_alg, self.trials = self, list[Trial]()  # `search_alg.searcher` is how the scheduler reaches it
        self.number = count()

    def get_trials(self) -> list[Trial]:
        return self.trials

    def next(self) -> Trial | None:
        if not any(trial.status == "PENDING" for trial in self.trials):
            number = next(self.number)
            if (params := self.searcher.suggest(str(number))) is not None:
                self.trials.append(Trial(number, params))
                self.scheduler.on_trial_add(self, self.trials[-1])
        chosen: Trial | None = self.scheduler.choose_trial_to_run(self)
        if chosen:
            chosen.status = "RUNNING"
        return chosen

    def report(self, trial: Trial, epoch: int, value: float) -> str:
        if math.isnan(value):
            self.scheduler.on_trial_error(self, trial)
            self.searcher.on_trial_complete(trial.trial_id, error=True)
            self._gone(trial)
            return "STOP"
        if epoch % self.unit and epoch != self.task.max_epochs:
            return "CONTINUE"
        result = {"value": value, "training_iteration": -(-epoch // self.unit), "trial_id": trial.trial_id}
        said = str(self.scheduler.on_trial_result(self, trial, result))
        if said == "STOP" or epoch == self.task.max_epochs:
            self.scheduler.on_trial_complete(self, trial, result)
            self.searcher.on_trial_complete(trial.trial_id, result={**result, "done": True})
            self._gone(trial)
            return "STOP"
        self.searcher.on_trial_result(trial.trial_id, result)
        trial.status = "PAUSED" if said == "PAUSE" else "RUNNING"
        return said

    def stop_trial(self, trial: Trial) -> None:
        """A paused one, by the scheduler."""
        self.scheduler.on_trial_remove(self, trial)
        self.searcher.on_trial_complete(trial.trial_id)
        self._gone(trial)

    def _gone(self, trial: Trial) -> None:
        trial.status = "TERMINATED"
        self.trials = [other for other in self.trials if other.status != "TERMINATED"]


def ray_asha(task: Task, seed: int) -> Peer:
    from ray.tune.schedulers import AsyncHyperBandScheduler
    from ray.tune.search.optuna import OptunaSearch

    scheduler = AsyncHyperBandScheduler(
        time_attr="training_iteration", metric="value", mode="max" if task.objective.sign > 0 else "min",
        max_t=task.max_epochs, grace_period=task.first_rung, reduction_factor=3,
    )  # fmt: skip
    searcher = OptunaSearch(space=distributions(task), metric="value", mode=scheduler._mode, seed=seed)
    return ChosenByQueue(task, searcher, scheduler)


class ChosenByQueue(Ray):
    """With a scheduler that never pauses, Tune starts trials in the order in which they were proposed."""

    def next(self) -> Trial:
        number = next(self.number)
        trial = Trial(number, self.searcher.suggest(str(number)))
        self.scheduler.on_trial_add(self, trial)
        trial.status = "RUNNING"
        return trial


def ray_bohb(task: Task, seed: int) -> Peer:
    """It counts in units of `first_rung` epochs, for its brackets are counted down from `max_t`.

    On lcbench they begin at 6, 18 and 52 epochs. In single epochs the widest one would begin at epoch 1, which says
    nothing there, and end at 27.
    """
    from ray.tune.schedulers import HyperBandForBOHB
    from ray.tune.search.bohb import TuneBOHB

    np.random.seed(seed)  # noqa: NPY002  its model draws from there
    mode = "max" if task.objective.sign > 0 else "min"
    unit = task.first_rung
    scheduler = HyperBandForBOHB(
        time_attr="training_iteration", metric="value", mode=mode, max_t=-(-task.max_epochs // unit), reduction_factor=3
    )
    searcher = TuneBOHB(space=config_space(task), metric="value", mode=mode, seed=seed, max_concurrent=WORKERS)
    return Ray(task, searcher, scheduler, epochs_per_unit=unit)


def config_space(task: Task) -> Any:
    import ConfigSpace

    space = ConfigSpace.ConfigurationSpace()
    for name, of in task.numbers.items():
        if of.whole:
            space.add(ConfigSpace.UniformIntegerHyperparameter(name, int(of.low), int(of.high), log=of.log))
        else:
            space.add(ConfigSpace.UniformFloatHyperparameter(name, of.low, of.high, log=of.log))
    return space


PEERS: dict[str, Callable[[Task, int], Peer]] = {
    "Ray ASHA + OptunaSearch": ray_asha,
    "Ray HyperBandForBOHB + TuneBOHB": ray_bohb,
    "Optuna TPE + HyperbandPruner": optuna_hyperband,
    "Optuna TPE + SuccessiveHalvingPruner": optuna_halving,
    "Optuna TPE": optuna_tpe,
}
warnings.simplefilter("ignore")
logging.disable(logging.WARNING)

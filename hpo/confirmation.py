"""Which finalist is chosen, and how sure that is: a fold of the runs that repeat each with the same fresh seeds.

The best of many noisy scores has had the most luck, so a search score flatters its winner. Scores on seeds that took no
part in the choice do not: a finalist's confirmed score is the mean of its runs over the seeds. Formulas, with n seeds,
t the 97.5 % quantile of Student's distribution (1908) with n - 1 degrees of freedom, sd with n - 1 in its denominator:

- a score:        mean of y_j,        +- t * sd(y_j) / sqrt(n)
- two compared:   mean of y_j - z_j,  +- t * sd(y_j - z_j) / sqrt(n), over the seeds j that both were trained with

Comparing on the same seeds takes away what a seed does to all alike (Bouthillier et al. 2021, "Accounting for variance
in machine learning benchmarks"). The validation rows are the same in all runs: what is owed to them, these intervals do
not know. The sealed test does.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from statistics import fmean, stdev
from typing import Any

from hpo.history import REGULAR, History, State, Trial
from hpo.objective import Objective

SHARE = 0.95
ONE_ERROR = 1.0  # standard errors; within so much of the best mean the cheapest is chosen
CHEAPER, LEAST_SAVED = 0.8, 1.0  # of the seconds of a run, and seconds of it: what is less is no reason to choose


@dataclass(frozen=True, kw_only=True)
class Interval:
    mean: float
    low: float
    high: float
    error: float  # standard error of the mean


@dataclass(frozen=True, kw_only=True)
class Finalist:
    trial: int
    search: float  # the score that the search chose it by
    scores: tuple[float | None, ...]  # by seed; None: not ended, or without a score
    confirmed: Interval | None  # None: not all of its runs came to their end
    optimism: float | None  # search score minus confirmed score; above 0: the search flattered it
    behind: Interval | None  # by how much the best mean leads it, seed by seed; of the best itself None
    seconds: float | None  # of a run, on average
    reason: str  # why it is not confirmed

    @property
    def alike(self) -> bool:
        """These seeds cannot tell it from the best mean."""
        return self.behind is not None and self.behind.low <= 0


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    seeds: tuple[int, ...]
    finalists: tuple[Finalist, ...]  # the best mean first; those that are not confirmed last
    pending: int  # runs that have not ended
    chosen: int | None  # trial; None while runs are pending, and where no finalist is confirmed

    @property
    def winner(self) -> Finalist | None:
        return next((one for one in self.finalists if one.trial == self.chosen), None)

    @property
    def alike(self) -> tuple[int, ...]:
        """Trials that these seeds cannot tell from the best mean."""
        return tuple(one.trial for one in self.finalists if one.alike)

    @property
    def cheapest(self) -> bool:
        """Whether the chosen one is not the best mean, but as good and cheaper."""
        return self.chosen is not None and self.chosen != self.finalists[0].trial

    def as_json(self) -> dict[str, Any]:
        winner = self.winner
        return {
            "chosen": self.chosen,
            "confirmed": asdict(winner.confirmed) if winner and winner.confirmed else None,
            "optimism": winner.optimism if winner else None,
            "alike": list(self.alike),
            "cheapest": self.cheapest,
            "pending": self.pending,
            "seeds": list(self.seeds),
            "finalists": [{**asdict(one), "alike": one.alike} for one in self.finalists],
        }


def confirmation(history: History, objective: Objective) -> Confirmation | None:
    """None where the study does not confirm, or has not come to that."""
    if not history.searched:
        return None
    runs = {(run.confirms, run.seed): run for run in history.repeats}
    of = {trial: [runs.get((trial, seed)) for seed in history.seeds] for trial in history.finalists}
    pending = sum(run is None or not run.state.ended for runs in of.values() for run in runs)
    finalists = ranked([_finalist(history.trials[trial], runs, objective) for trial, runs in of.items()], objective)
    return Confirmation(
        seeds=tuple(history.seeds),
        finalists=tuple(finalists),
        pending=pending,
        chosen=None if pending else choice(finalists),
    )


def winner(history: History, objective: Objective) -> Trial | None:
    """Of the whole study: the trial that was confirmed and chosen, or the best of the search while there is none."""
    found = confirmation(history, objective)
    if found is None or found.chosen is None:
        return history.winner(objective)
    return history.trials[found.chosen]


def best_of_search(history: History, objective: Objective, count: int) -> list[int]:
    """The finalists: trials that came to a regular end, best first; ties go to the earlier."""
    regular = [trial for trial in history.trials if trial.state in REGULAR and trial.value(objective) is not None]
    regular.sort(key=lambda trial: (-objective.sign * (trial.value(objective) or 0.0), trial.number))
    return [trial.number for trial in regular[:count]]


def _finalist(trial: Trial, runs: Sequence[Trial | None], objective: Objective) -> Finalist:
    scores = tuple(run.value(objective) if run and run.state in REGULAR else None for run in runs)
    broken = next((run for run in runs if run and run.state in (State.DIVERGED, State.FAILED)), None)
    there = [score for score in scores if score is not None]
    confirmed = interval(there) if len(there) == len(scores) else None
    search = trial.value(objective)
    assert search is not None, "a finalist has a score"
    return Finalist(
        trial=trial.number,
        search=search,
        scores=scores,
        confirmed=confirmed,
        optimism=objective.sign * (search - confirmed.mean) if confirmed else None,
        behind=None,
        seconds=fmean(run.seconds for run in runs if run) if confirmed else None,
        reason=f"{broken.state.lower()} with seed {broken.seed}: {broken.reason}" if broken else "",
    )


def ranked(finalists: Sequence[Finalist], objective: Objective) -> list[Finalist]:
    """Best mean first, each compared with it; ties stay in the order of the search."""

    def place(one: Finalist) -> float:
        return -objective.sign * one.confirmed.mean if one.confirmed else math.inf

    best, *others = sorted(finalists, key=place)
    return [best, *(_compared(one, best, objective) for one in others)]


def _compared(one: Finalist, best: Finalist, objective: Objective) -> Finalist:
    if one.confirmed is None or best.confirmed is None:
        return one
    pairs = zip(best.scores, one.scores, strict=True)
    leads = [objective.sign * (first - second) for first, second in pairs if first is not None and second is not None]
    return Finalist(**{**vars(one), "behind": interval(leads)})


def choice(finalists: Sequence[Finalist]) -> int | None:
    """The best mean; where others lie within one standard error of it and are clearly cheaper, the cheapest of those.

    That is the rule of Breiman et al. 1984 for trees. To take the cheapest of all that cannot be told apart would be to
    take the cheapest of nearly all: with three seeds the interval of a difference is wide.
    """
    best = finalists[0]
    if best.confirmed is None or best.seconds is None:
        return None
    near = [
        (one.seconds, place, one)
        for place, one in enumerate(finalists)
        if one.behind and one.alike and one.behind.mean <= ONE_ERROR * one.behind.error and one.seconds is not None
    ]
    seconds, _, cheapest = min(near, default=(best.seconds, 0, best))
    clearly = seconds <= CHEAPER * best.seconds and best.seconds - seconds >= LEAST_SAVED
    return cheapest.trial if clearly else best.trial


def interval(values: Sequence[float]) -> Interval:
    """Student's t interval of the mean of independent normal values, two or more."""
    mean = fmean(values)
    error = stdev(values) / math.sqrt(len(values))
    half = _quantile(len(values) - 1) * error
    return Interval(mean=mean, low=mean - half, high=mean + half, error=error)


@cache
def _quantile(freedom: int) -> float:
    from scipy.special import stdtrit  # slow to import

    return float(stdtrit(freedom, (1 + SHARE) / 2))

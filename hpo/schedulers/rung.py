"""Rungs: the epochs at which trials are compared, and who stands on each with what score.

Scores are kept in order, so that an arrival and a rank cost O(log n).
"""

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from sortedcontainers import SortedList

from hpo.history import Trial
from hpo.objective import Objective

LONGEST = 10**6  # epochs, where a trial's full budget is not known


def rung_epochs(first: int, factor: int, max_epochs: int | None) -> tuple[int, ...]:
    """first * factor ** k short of the full budget, and this at the end where it is known."""
    epochs = []
    while first < (max_epochs or LONGEST):
        epochs.append(first)
        first *= factor
    return (*epochs, max_epochs) if max_epochs else tuple(epochs)


def check_rungs(first: int, factor: int) -> None:
    if first < 1:
        raise ValueError(f"`first_rung` must be at least 1 epoch, got {first}")
    if factor < 2:
        raise ValueError(f"`reduction_factor` must be at least 2, got {factor}; try 3")


def rung_reached(trial: Trial, rungs: Sequence[int]) -> int | None:
    """Index of the highest rung that the last report reached and the one before had not."""
    evaluations = trial.evaluations
    index = bisect_right(rungs, evaluations[-1].epoch) - 1
    before = evaluations[-2].epoch if len(evaluations) > 1 else 0.0
    return index if index >= 0 and rungs[index] > before else None


def score_of(trial: Trial, objective: Objective) -> float | None:
    """The trial's best so far, larger is better; None where the last report shows that it has broken down."""
    last, metric = trial.evaluations[-1], objective.metric
    if last.diverged or not math.isfinite(last.metrics.get(metric, math.nan)):
        return None
    best = trial.best(objective)
    return None if best is None else objective.sign * best.metrics[metric]


class Rung:
    """Scores at one budget, larger is better; of equal ones the earlier trial's is the better."""

    def __init__(self, epochs: float) -> None:
        self.epochs = epochs
        self._scores: dict[int, float] = {}
        self._order = SortedList()  # of (-score, trial): the best first

    def __len__(self) -> int:
        return len(self._scores)

    def __contains__(self, trial: int) -> bool:
        return trial in self._scores

    def __iter__(self) -> Iterator[int]:
        """The trials, best first."""
        return (trial for _, trial in self._order)

    def record(self, trial: int, score: float) -> None:
        """A trial that is started again from a checkpoint short of the rung arrives a second time."""
        self.discard(trial)
        self._scores[trial] = score
        self._order.add((-score, trial))

    def discard(self, trial: int) -> None:
        if trial in self._scores:
            self._order.remove((-self._scores.pop(trial), trial))

    def score(self, trial: int) -> float:
        return self._scores[trial]

    def first(self) -> int:
        trial: int = self._order[0][1]
        return trial

    def best(self, count: int) -> list[int]:
        return [trial for _, trial in self._order[:count]]

    def rank(self, trial: int) -> int:
        """0 is the best."""
        rank: int = self._order.bisect_left((-self._scores[trial], trial))
        return rank

"""PASHA (Bohdal et al. 2023, ICLR, arXiv:2207.06940): promoting ASHA that trains no longer than it needs to.

At first trials go no higher than the second rung. The highest rung moves up by one whenever the trials on it rank
otherwise than they did on the rung below. Trials whose scores there lie within epsilon of each other count as equal;
epsilon is the 90th percentile of the distances of pairs whose curves cross and cross back, which only noise does. What
differs: the best trial has the full budget at the end (promoting ASHA's last rule); and of a large rung the latest 30
arrivals are compared, so that an arrival costs the same however long the study is.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from hpo.event import Event
from hpo.history import History, Trial
from hpo.objective import Objective
from hpo.schedulers.pausing import refuse_without_end
from hpo.schedulers.promoting_asha import PromotingASHA
from hpo.schedulers.rung import rung_reached, score_of

COMPARED = 30  # trials


@dataclass(kw_only=True, eq=False)
class PASHA(PromotingASHA):
    def __post_init__(self) -> None:
        refuse_without_end(self.max_epochs)
        super().__post_init__()
        [self._ladder] = self._ladders
        self._ladder.top = min(1, len(self._ladder.rungs))
        self._latest: deque[int] = deque(maxlen=COMPARED)  # on the highest rung

    def apply(self, history: History, event: Event) -> None:
        super().apply(history, event)
        if event.kind == "reported" and self._ladder.top < len(self._ladder.rungs):
            trial = history.trials[event.trial]  # type: ignore[index]
            index = rung_reached(trial, self._ladder.epochs)
            if index == self._ladder.top and score_of(trial, self.objective) is not None:
                self._arrived([history.trials[number] for number in {*self._latest, trial.number}])

    def _arrived(self, trials: Sequence[Trial]) -> None:
        """On the highest rung: the one above opens where its ranking is not that of the rung below."""
        self._latest.append(trials[-1].number)
        top, below = self._ladder.rungs[self._ladder.top], self._ladder.rungs[self._ladder.top - 1]
        numbers = [trial.number for trial in trials if trial.number in below]
        now = {number: top.score(number) for number in numbers}
        before = {number: below.score(number) for number in numbers}
        if not ranked_alike(before, now, noise([curve(trial, self.objective) for trial in trials])):
            self._ladder.top += 1
            self._latest.clear()


def ranked_alike(before: dict[int, float], now: dict[int, float], epsilon: float) -> bool:
    """Each place is taken by a trial that had that place before, or had a score within epsilon of whoever had it."""
    then, today = sorted(before, key=before.__getitem__), sorted(now, key=now.__getitem__)
    return all(abs(before[a] - before[b]) <= epsilon for a, b in zip(then, today, strict=True))


def noise(curves: Sequence[Sequence[float]]) -> float:
    """Distance at the end of the curves that cross and cross back: their 90th percentile; 0 where there are none."""
    import numpy as np  # slow to import

    distances = []
    for one, other in combinations(curves, 2):
        signs = [math.copysign(1, a - b) for a, b in zip(one, other, strict=False) if a != b]
        crossings = sum(a != b for a, b in zip(signs, signs[1:], strict=False))
        if crossings >= 2:
            length = min(len(one), len(other))
            distances.append(abs(one[length - 1] - other[length - 1]))
    return float(np.percentile(distances, 90)) if distances else 0.0


def curve(trial: Trial, objective: Objective) -> list[float]:
    return [objective.sign * evaluation.metrics[objective.metric] for evaluation in trial.evaluations]

"""What searchers learn from: the history as arrays, kept up to date at the cost of what has changed.

A fold of the history and nothing else: the arrays after a crash equal those without one, whatever was asked between.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from hpo.domains import Value
from hpo.history import History, State, Trial
from hpo.objective import Objective
from hpo.space import Space

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

FULL, SHORT, BROKEN, EMPTY = range(4)  # at its own end; with a score short of it; diverged or failed; no score yet
AT_THE_END = (math.inf,)  # where no rungs are known


class Observations:
    """One row for each trial, in the order of their numbers.

    `shares` (trials x varied parameters) in [0, 1], nan where one does not apply; `results` (trials x rungs), the score
    at each, larger is better, nan where it has none; `score`, the best so far; `epochs`, the budget used; `standing`,
    one of the above; `seen`, the configurations. `rungs` are the budgets in epochs at which trials are compared.
    """

    def __init__(self, space: Space, objective: Objective, rungs: Sequence[float] = ()) -> None:
        self.space, self.objective, self.rungs = space, objective, tuple(rungs) or AT_THE_END
        self.seen: set[tuple[Value, ...]] = set()
        self._size = 0
        self._rows = np.empty((64, len(space.varied) + len(self.rungs) + 3))
        self._open: dict[int, tuple[object, ...]] = {}  # what was last seen of the trials that have not ended

    def __len__(self) -> int:
        return self._size

    @property
    def shares(self) -> Floats:
        return self._rows[: self._size, : len(self.space.varied)]

    @property
    def results(self) -> Floats:
        return self._rows[: self._size, len(self.space.varied) : -3]

    @property
    def standing(self) -> Floats:
        return self._rows[: self._size, -3]

    @property
    def score(self) -> Floats:
        return self._rows[: self._size, -2]

    @property
    def epochs(self) -> Floats:
        return self._rows[: self._size, -1]

    def update(self, history: History) -> None:
        """Take in what is new."""
        for number in [*self._open, *range(self._size, len(history.trials))]:
            trial = history.trials[number]
            now = (trial.state, trial.attempt, len(trial.evaluations))
            if self._open.get(number) != now:
                self._write(trial)
                self._open[number] = now
            if trial.state.ended:
                del self._open[number]

    def has_ended(self, number: int) -> bool:
        return number < self._size and number not in self._open

    def count(self, rung: int) -> int:
        """How many trials have a result there."""
        return int(np.count_nonzero(~np.isnan(self.results[:, rung])))

    def rung(self, enough: int) -> int | None:
        """The index of the highest rung at which so many trials have a result."""
        return next((rung for rung in reversed(range(len(self.rungs))) if self.count(rung) >= enough), None)

    def ranked(self, enough: int = 1) -> Integers:
        """Trials with a score or broken, best first.

        First those with a result at the highest rung that has enough of them, by it; then the others by how far they
        came, at the same length by their score; those that broke down last.
        """
        rung = self.rung(enough)
        result = self.results[:, rung] if rung is not None else np.full(self._size, math.nan)
        has_result = ~np.isnan(result)
        group = np.where(has_result, 0, np.where(self.standing == BROKEN, 2, 1))
        length = np.where(has_result, 0.0, self.epochs)
        score = np.where(has_result, result, np.nan_to_num(self.score, nan=-math.inf))
        order = np.lexsort((-score, -length, group))
        return order[self.standing[order] != EMPTY]

    def ranked_by_score(self) -> Integers:
        """Trials with a score or broken, best first whatever length they came to; those that broke down last."""
        score = np.where(self.standing == BROKEN, -math.inf, np.nan_to_num(self.score, nan=-math.inf))
        order = np.argsort(-score, kind="stable")
        return order[self.standing[order] != EMPTY]

    def empty(self) -> Integers:
        """Trials on their way that have nothing to show yet."""
        return np.flatnonzero(self.standing == EMPTY)

    def vector(self, params: Mapping[str, Value]) -> Floats:
        """The shares of a configuration, nan where a parameter does not apply."""
        domains = {name: self.space[name].domain for name in self.space.varied}
        return np.array([d.share(params[name]) if name in params else math.nan for name, d in domains.items()])

    def is_new(self, params: Mapping[str, Value]) -> bool:
        return self._key(params) not in self.seen

    def _key(self, params: Mapping[str, Value]) -> tuple[Value, ...]:
        return tuple(params.get(name) for name in self.space.varied)

    def _write(self, trial: Trial) -> None:
        if trial.number == len(self._rows):
            self._rows = np.concatenate([self._rows, np.empty_like(self._rows)])
        row = self._rows[trial.number]
        if trial.number >= self._size:
            self._size = trial.number + 1
            row[: len(self.space.varied)] = self.vector(trial.params)
            self.seen.add(self._key(trial.params))
        row[len(self.space.varied) : -3] = results_of(trial, self.objective, self.rungs)
        value = trial.value(self.objective)
        row[-3] = standing_of(trial.state, value is not None)
        row[-2] = math.nan if value is None else self.objective.sign * value
        row[-1] = trial.evaluations[-1].epoch if trial.evaluations else 0.0


def standing_of(state: State, has_score: bool) -> int:
    """A trial that broke down says that its configuration is bad; so does one that ended without a score."""
    if state in (State.DIVERGED, State.FAILED) or state.ended and not has_score:
        return BROKEN
    if not has_score:
        return EMPTY
    return FULL if state is State.COMPLETE else SHORT


def results_of(trial: Trial, objective: Objective, rungs: Sequence[float]) -> list[float]:
    """The best score up to each rung, at the first report there; of a trial at its own end, its last at all others."""
    results, best = [math.nan] * len(rungs), -math.inf
    rung = 0
    for evaluation in trial.evaluations:
        score = objective.sign * evaluation.metrics.get(objective.metric, math.nan)
        best = max(best, score) if math.isfinite(score) else best
        while rung < len(rungs) and rungs[rung] <= evaluation.epoch:
            results[rung] = best if math.isfinite(best) else math.nan
            rung += 1
    if trial.state is State.COMPLETE and math.isfinite(best):
        results[rung:] = [best] * (len(rungs) - rung)
    return results

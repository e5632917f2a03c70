"""What NSGA-II and NSGA-III share: a population of the best trials so far, and children of two of them.

No generation is waited for: whoever is free gets a child of the population as it is then (steady state; Durillo et al.
2009, EMO, found it nearer to the front than generations). Each `population` trials in the order of their numbers are
taken in for good once all of them have ended, those after them for the time being, so that a proposal costs the same
in a long study. Trials that failed or diverged are never parents.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hpo.domains import Value
from hpo.history import REGULAR, History
from hpo.objective import Objective
from hpo.searchers.drawing import allowed, at_random, generator
from hpo.searchers.observations import Floats, Integers, Observations
from hpo.searchers.parzen import choices
from hpo.searchers.searcher import Proposal
from hpo.searchers.variation import child
from hpo.space import Space

TRIES = 20  # children until one is new and allowed


@dataclass(kw_only=True)
class Evolution:
    """`select`, `mates` and `spread` are those of the method."""

    space: Space
    objectives: Sequence[Objective]
    seed: int
    population: int = 20  # trials; the first so many with a score are drawn at random

    def __post_init__(self) -> None:
        if self.population < 4:
            raise ValueError(f"`population` must be at least 4, got {self.population}; try 20")
        self._seen = Observations(self.space, self.objectives[0])
        self._settled: list[int] = []  # the population after all generations of which every trial has ended
        self._generations = 0

    def select(self, points: Floats, size: int, random: np.random.Generator) -> Integers:
        """Indices of so many of the points (rows, larger is better) that live on, the best first."""
        raise NotImplementedError

    def mates(self, size: int, random: np.random.Generator) -> tuple[int, int]:
        """Places of two parents in the population."""
        raise NotImplementedError

    spread = 20.0

    def propose(self, history: History) -> dict[str, Value]:
        return self.proposal(history).params

    def proposal(self, history: History) -> Proposal:
        seen, random = self._seen, generator(self.seed, history)
        seen.update(history)
        parents = self._population(history, random)
        if len(parents) < self.population or not self.space.varied:
            return Proposal(at_random(seen, random))
        cells = choices(self.space)
        for _ in range(TRIES):
            one, other = (parents[place] for place in self.mates(len(parents), random))
            shares = seen.shares[[one, other]]
            shares = np.where(np.isnan(shares), random.random(shares.shape), shares)  # what did not apply is free
            if found := allowed(seen, child(shares[0], shares[1], cells, self.spread, random)[None, :]):
                return Proposal(found[0], f"trials {one:03d} and {other:03d}")
        return Proposal(at_random(seen, random))

    def _population(self, history: History, random: np.random.Generator) -> list[int]:
        size, trials = self.population, history.trials
        while (first := self._generations * size) + size <= len(trials):
            if not all(trial.state.ended for trial in trials[first : first + size]):
                break
            self._generations += 1
            drawn = np.random.default_rng([self.seed, self._generations, 1])
            self._settled = self._survivors(history, [*self._settled, *range(first, first + size)], drawn)
        rest = range(self._generations * size, len(trials))
        return self._survivors(history, [*self._settled, *rest], random)

    def _survivors(self, history: History, numbers: Sequence[int], random: np.random.Generator) -> list[int]:
        regular = [one for one in numbers if history.trials[one].state in REGULAR]
        scored = [(one, worth) for one in regular if (worth := history.trials[one].worth(self.objectives)) is not None]
        if not scored:
            return []
        points = np.array([worth for _, worth in scored])
        return [scored[index][0] for index in self.select(points, self.population, random).tolist()]

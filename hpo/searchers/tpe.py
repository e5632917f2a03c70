"""Tree-structured Parzen estimator (Bergstra et al. 2011, NeurIPS 24), multivariate as in Optuna (Watanabe 2023).

Proposes where the density of the good trials most exceeds that of the others. Good are the best tenth of all, at most
25, whatever length they came to: who was stopped at a rung was stopped for its score, and of those who passed it some
did so only for being early. Trials without any score yet count among the others, so that workers do not ask for the
same twice (constant liar, Ginsbourger et al. 2010). The others are the latest `MOST_OTHERS`: older ones would count
little, and so a proposal costs the same in a long study.

Where trials are compared at rungs, no kernel is narrower than `NARROWEST_AT_RUNGS`, and a share of the trials is drawn
at random, as in BOHB: early scores may mislead, and what a model has given up it never sees again.
"""

import math
from dataclasses import dataclass

import numpy as np

from hpo.domains import Value
from hpo.history import History
from hpo.objective import Objective
from hpo.searchers.drawing import allowed, at_random, generator
from hpo.searchers.observations import Observations
from hpo.searchers.parzen import choices, fit
from hpo.space import Space

GOOD = 0.1
MOST_GOOD = 25
MOST_OTHERS = 500
NARROWEST_AT_RUNGS = 0.1  # width of a kernel in shares of the range; chosen by measurement, see docs/log.md


@dataclass(kw_only=True)
class TPE:
    space: Space
    objective: Objective
    seed: int
    rungs: tuple[float, ...] = ()  # budgets in epochs at which trials are compared; empty: only their ends are
    random_starts: int = 10  # results before the densities are asked: the default of the field
    candidates: int = 64  # of which the best by far is proposed
    random_fraction: float = 0.2  # of the trials, where they are compared at rungs

    def __post_init__(self) -> None:
        if self.random_starts < 2:
            raise ValueError(f"`random_starts` must be at least 2, got {self.random_starts}; try 10")
        if self.candidates < 1:
            raise ValueError(f"`candidates` must be at least 1, got {self.candidates}; try 64")
        if not 0 <= self.random_fraction <= 1:
            raise ValueError(f"`random_fraction` must be from 0 to 1, got {self.random_fraction}; try 0.2")
        self._seen = Observations(self.space, self.objective, self.rungs)

    def propose(self, history: History) -> dict[str, Value]:
        seen, random = self._seen, generator(self.seed, history)
        seen.update(history)
        ranked = seen.ranked_by_score()
        if len(ranked) < self.random_starts or self.rungs and random.random() < self.random_fraction:
            return at_random(seen, random)
        count = min(math.ceil(GOOD * len(ranked)), MOST_GOOD)
        good, rest = np.sort(ranked[:count]), np.sort(np.append(ranked[count:], seen.empty()))
        cells = choices(self.space)
        narrowest = NARROWEST_AT_RUNGS if self.rungs else None
        below, above = (fit(seen.shares[of], cells, narrowest) for of in (good, rest[-MOST_OTHERS:]))
        found = allowed(seen, below.sample(random, self.candidates))
        if not found:
            return at_random(seen, random)
        points = np.array([seen.vector(params) for params in found])
        return found[int(np.argmax(below.log_density(points) - above.log_density(points)))]

"""PriorBand's sampling (Mallik et al. 2023, NeurIPS, arXiv:2306.12370): at random, by the priors, and near the best.

How often near the best rather than by the priors follows from which of the two the good trials lie denser under.
Without any prior it is random search and local search around the best, which needs no model. The paper sets the share
at random by the rung that a bracket begins at, which a searcher here does not know; a quarter is that of its second.
"""

from dataclasses import dataclass

import numpy as np

from hpo.domains import Value
from hpo.history import History
from hpo.objective import Objective
from hpo.searchers.drawing import allowed, at_random, generator
from hpo.searchers.observations import Floats, Observations
from hpo.searchers.parzen import Parzen, around, choices
from hpo.searchers.priors import has_priors, prior_centre, prior_density
from hpo.space import Space

ETA = 3  # one in so many trials is a good one
NEAR = 0.25  # deviation around the best, in shares of the range
CHANGED = 0.8  # of the parameters, near the best; 0.5 in the paper, which found less: see docs/log.md
TRIES = 10


@dataclass(kw_only=True)
class PriorBand:
    space: Space
    objective: Objective
    seed: int
    rungs: tuple[float, ...] = ()  # budgets in epochs at which trials are compared; empty: only their ends are
    random_fraction: float = 0.25

    def __post_init__(self) -> None:
        if not 0 < self.random_fraction <= 1:
            raise ValueError(f"`random_fraction` must be above 0 and at most 1, got {self.random_fraction}; try 0.25")
        self._seen = Observations(self.space, self.objective, self.rungs)
        self._prior = prior_density(self.space) if has_priors(self.space) else None
        self._centre = prior_centre(self.space, self.seed) if self._prior else None

    def propose(self, history: History) -> dict[str, Value]:
        seen, random = self._seen, generator(self.seed, history)
        seen.update(history)
        if self._centre is not None and seen.is_new(self._centre):
            return self._centre
        ranked = seen.ranked_by_score()
        good = seen.shares[ranked[: max(1, len(ranked) // ETA)]]
        few = len(ranked) < ETA
        if random.random() < self.random_fraction or few and self._prior is None:
            return at_random(seen, random)
        if self._prior is not None and (few or random.random() < self._share_of_prior(good)):
            points = self._prior.sample(random, TRIES)
        else:
            drawn = self._near(good[0]).sample(random, TRIES)
            points = np.where(random.random(drawn.shape) < CHANGED, drawn, np.nan_to_num(good[0], nan=0.5))
        found = allowed(seen, points)
        return found[0] if found else at_random(seen, random)

    def _share_of_prior(self, good: Floats) -> float:
        """Good trials count by their rank, the best most."""
        if self._prior is None:
            return 0.0
        rank = np.arange(len(good), 0, -1)
        by_prior, near = (rank @ np.exp(density.log_density(good)) for density in (self._prior, self._near(good[0])))
        return float(by_prior / (by_prior + near))

    def _near(self, best: Floats) -> Parzen:
        cells = choices(self.space)
        return around(best, np.full(len(best), NEAR), cells, np.ones(len(best)))

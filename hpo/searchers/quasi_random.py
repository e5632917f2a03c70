"""Quasi-random search: scrambled Sobol points (Owen 1998), which leave no part of the space empty for long.

Better spread than random search where few parameters matter (Bergstra and Bengio 2012, section 3).
"""

from dataclasses import dataclass

import numpy as np

from hpo.domains import Value
from hpo.history import History
from hpo.objective import Objective
from hpo.searchers.drawing import at_point
from hpo.searchers.observations import Floats
from hpo.space import TRIES, Space, sample


@dataclass(kw_only=True)
class QuasiRandomSearch:
    space: Space
    objective: Objective
    seed: int

    def __post_init__(self) -> None:
        self._points = np.empty((0, len(self.space.varied)))
        self._allowed: list[dict[str, Value]] = []

    def propose(self, history: History) -> dict[str, Value]:
        """Number k is the k-th point of the sequence that meets all constraints."""
        number = len(history.trials)
        while self.space.varied and len(self._allowed) <= number and len(self._points) < TRIES:
            new = self._more()
            self._allowed += [params for params in (at_point(self.space, p) for p in new) if self.space.allows(params)]
        if number < len(self._allowed):
            return self._allowed[number]
        return sample(self.space, np.random.default_rng([self.seed, number]))

    def _more(self) -> Floats:
        """The sequence doubled: its first points stay the same."""
        from scipy.stats import qmc  # slow to import

        before = len(self._points)
        power = before.bit_length() if before else 5
        self._points = qmc.Sobol(len(self.space.varied), rng=np.random.default_rng(self.seed)).random_base2(power)
        return self._points[before:]

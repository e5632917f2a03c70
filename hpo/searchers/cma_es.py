"""CMA-ES (Hansen 2016, arXiv:1604.00772; by the `cmaes` package): a normal distribution that moves and bends downhill.

For some hundred trials or more in few numbers that act together. A generation is so many trials in the order of their
numbers; those that have not ended when the next is asked for count as its worst, until they have. Only ranks count.
The distribution begins at the priors, where there are any. Unordered choices are taken from the better half of the last
generation. Once it has contracted, it begins anew elsewhere.
"""

import copy
from dataclasses import dataclass

import numpy as np
from cmaes import CMA

from hpo.domains import Value
from hpo.history import History
from hpo.objective import Objective
from hpo.searchers.drawing import allowed, at_random, generator
from hpo.searchers.observations import BROKEN, EMPTY, Floats, Observations
from hpo.searchers.parzen import choices
from hpo.searchers.priors import prior_density
from hpo.space import Space

WIDTH = 0.3  # deviation to begin with, in shares of the range
MUTATED = 0.2  # of the choices are drawn anew
TRIES = 20


@dataclass(kw_only=True)
class CMAES:
    space: Space
    objective: Objective
    seed: int
    population: int | None = None  # trials in a generation; None: 4 + 3 ln(parameters)

    def __post_init__(self) -> None:
        if self.population is not None and self.population < 4:
            raise ValueError(f"`population` must be at least 4, got {self.population}; leave it out")
        self._seen = Observations(self.space, self.objective)
        cells = choices(self.space)
        self._numbers, self._choices = np.flatnonzero(cells == 0), np.flatnonzero(cells)
        self._settled: list[CMA] = []  # the distribution before each generation all of which has ended

    def propose(self, history: History) -> dict[str, Value]:
        seen, random = self._seen, generator(self.seed, history)
        seen.update(history)
        if not len(self._numbers):
            return at_random(seen, random)
        distribution, size = self._distribution(), self._anew(0).population_size
        for _ in range(TRIES):
            distribution.reseed_rng(int(random.integers(2**32)))
            point = np.empty(len(self.space.varied))
            point[self._numbers] = distribution.ask()
            point[self._choices] = self._chosen(size, random)
            if found := allowed(seen, point[None, :]):
                return found[0]
        return at_random(seen, random)

    def _distribution(self) -> CMA:
        """After all full generations so far; the one after the settled ones alone is kept."""
        self._settled = self._settled or [self._anew(0)]
        size = self._settled[0].population_size
        state = self._settled[-1]
        for generation in range(len(self._settled) - 1, len(self._seen) // size):
            state = self._after(state, generation, size)
            ended = all(self._seen.has_ended(number) for number in range(generation * size, (generation + 1) * size))
            if ended and len(self._settled) == generation + 1:
                self._settled.append(state)
        return copy.deepcopy(state)

    def _after(self, before: CMA, generation: int, size: int) -> CMA:
        seen, state = self._seen, copy.deepcopy(before)
        members = np.arange(generation * size, (generation + 1) * size)
        points = seen.shares[members][:, self._numbers]
        points = np.where(np.isnan(points), state.mean, points)  # what did not apply teaches nothing
        # broken ones and those without a score last; of the others the order never changes, whatever comes after
        worst = (seen.standing[members] == BROKEN) | (seen.standing[members] == EMPTY)
        order = np.lexsort((-np.nan_to_num(seen.score[members]), -seen.epochs[members], worst))
        state.tell([(points[member], float(place)) for place, member in enumerate(order.tolist())])
        return self._anew(generation + 1) if state.should_stop() else state

    def _anew(self, generation: int) -> CMA:
        random = np.random.default_rng([self.seed, generation])
        prior = prior_density(self.space).centres[0][self._numbers]
        mean = np.nan_to_num(prior, nan=0.5) if generation == 0 else random.random(len(self._numbers))
        bounds = np.tile([0.0, 1.0], (len(self._numbers), 1))
        return CMA(mean=mean, sigma=WIDTH, bounds=bounds, population_size=self.population, seed=0)

    def _chosen(self, size: int, random: np.random.Generator) -> Floats:
        """Shares of the choices: those of a trial of the better half of the latest, or now and then any other."""
        seen, drawn = self._seen, random.random(len(self._choices))
        ranked = [number for number in seen.ranked().tolist() if number >= len(seen) - 2 * size]
        if not ranked:
            return drawn
        parent = seen.shares[random.choice(ranked[: (len(ranked) + 1) // 2]), self._choices]
        return np.where(np.isnan(parent) | (random.random(len(parent)) < MUTATED), drawn, parent)

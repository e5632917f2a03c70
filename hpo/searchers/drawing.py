"""How searchers draw: from (seed, number of the trial) alone, inside all constraints, and nothing twice."""

import numpy as np

from hpo.domains import Value
from hpo.history import History
from hpo.searchers.observations import Floats, Observations
from hpo.space import Space, at, sample

TRIES = 100  # random configurations until one is new


def generator(seed: int, history: History, stream: int = 0) -> np.random.Generator:
    """The same after a crash as without one. What is drawn beside another searcher has a stream of its own."""
    return np.random.default_rng([seed, len(history.trials), stream])


def at_random(seen: Observations, random: np.random.Generator) -> dict[str, Value]:
    """An independent draw that has not been tried, as far as there is any left."""
    for _ in range(TRIES):
        params = sample(seen.space, random)
        if seen.is_new(params):
            break
    return params


def allowed(seen: Observations, points: Floats) -> list[dict[str, Value]]:
    """The configurations at these points of the cube (rows) that meet all constraints and have not been tried."""
    found = [at_point(seen.space, point) for point in points]
    return [params for params in found if seen.space.allows(params) and seen.is_new(params)]


def at_point(space: Space, point: Floats) -> dict[str, Value]:
    return at(space, dict(zip(space.varied, point.tolist(), strict=True)))

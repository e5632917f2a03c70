"""NSGA-II (Deb et al. 2002, IEEE Transactions on Evolutionary Computation 6): for two objectives, or three.

Who lives on is chosen by fronts, and within the last of them by how much room a trial has to its neighbours on it. Two
parents are the better ones of two pairs. Children are crossed and mutated as in the paper, with its constants.
"""

from dataclasses import dataclass

import numpy as np

from hpo.searchers.dominance import ranks
from hpo.searchers.evolution import Evolution
from hpo.searchers.observations import Floats, Integers


@dataclass(kw_only=True)
class NSGA2(Evolution):
    def select(self, points: Floats, size: int, random: np.random.Generator) -> Integers:
        rank = ranks(points)
        room = np.empty(len(points))
        for front in range(rank.max() + 1):
            room[rank == front] = crowding(points[rank == front])
        return np.lexsort((-room, rank))[:size]

    def mates(self, size: int, random: np.random.Generator) -> tuple[int, int]:
        """The population stands best first: of a pair the earlier one wins."""
        one, other = random.permutation(size)[:4].reshape(2, 2).min(axis=1).tolist()
        return one, other


def crowding(points: Floats) -> Floats:
    """Of each point of a front, the distance between its two neighbours, summed over objectives; inf at the ends."""
    found = np.zeros(len(points))
    for values in points.T:
        order = np.argsort(values, kind="stable")
        ends, extent = order[[0, -1]], values[order[-1]] - values[order[0]]
        if extent > 0:
            found[order[1:-1]] += (values[order[2:]] - values[order[:-2]]) / extent
        found[ends] = np.inf
    return found

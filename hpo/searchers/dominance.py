"""Ranking points by dominance, as arrays: what the selection of NSGA-II and NSGA-III begins with.

Points are rows, a column for each objective, larger being better.
"""

import numpy as np

from hpo.searchers.observations import Floats, Integers


def ranks(points: Floats) -> Integers:
    """0 for the front, 1 for the front of the rest, and so on (Deb et al. 2002, section III.A)."""
    no_worse = (points[:, None] >= points).all(axis=-1)
    better: Integers = np.asarray(no_worse & ~no_worse.T, dtype=np.int64)  # [i, j]: i dominates j
    above, found = better.sum(axis=0), np.full(len(points), -1)
    for rank in range(len(points)):
        front = np.flatnonzero((above == 0) & (found < 0))
        if not len(front):
            break
        found[front] = rank
        above = above - better[front].sum(axis=0)
    return found

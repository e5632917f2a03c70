"""Densities over the unit cube: a mixture of kernels around points, and a flat one.

Bell-shaped kernels are cut off at the ends of the range. Of a choice, a kernel holds its own value and a little of all
others. Where a point lacks a parameter, by its condition, its kernel is flat in that direction. `fit` has the widths
and weights of Optuna's multivariate TPE (Watanabe 2023, arXiv:2304.11127).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp, ndtr, ndtri

from hpo.searchers.observations import Floats, Integers
from hpo.space import Space

MOST_KERNELS = 100  # beyond which the narrowest width that is allowed falls no further
EVEN = 25  # the last trials, which count in full; those before fade


@dataclass(frozen=True)
class Parzen:
    """`centres` and `widths` (kernels x parameters), nan where flat; `weights` that sum to 1, the last the flat one's.

    `cells` is 0 for a parameter whose values have an order, else the number of its choices; of those, `others` is the
    weight of all values together beside the kernel's own, which has 1.
    """

    centres: Floats
    widths: Floats
    weights: Floats
    cells: Integers
    others: Floats

    def sample(self, random: np.random.Generator, count: int) -> Floats:
        """Points of the cube, (count x parameters)."""
        kernel = random.choice(len(self.weights), size=count, p=self.weights)
        flat_kernel = np.full((1, self.centres.shape[1]), np.nan)
        centre, width = (np.append(of, flat_kernel, axis=0)[kernel] for of in (self.centres, self.widths))
        flat = random.random(centre.shape)
        below, above = ndtr(-centre / width), ndtr((1 - centre) / width)
        bell = centre + width * ndtri(below + flat * (above - below))
        kept = random.random(centre.shape) * (1 + self.others) < 1
        drawn = np.where(self.cells == 0, bell, np.where(kept, centre, flat))
        return np.clip(np.where(np.isnan(centre), flat, drawn), 0.0, 1.0)

    def log_density(self, points: Floats) -> Floats:
        """Of each point (a row; nan where a parameter does not apply), relative to the flat density."""
        total = np.zeros((len(points), len(self.weights)))
        for column, (cells, others) in enumerate(zip(self.cells.tolist(), self.others.tolist(), strict=True)):
            point, centre, width = points[:, column, None], self.centres[:, column], self.widths[:, column]
            if cells:
                same = np.floor(point * cells) == np.floor(centre * cells)
                density = np.log((same * cells + others) / (1 + others))
            else:
                mass = ndtr((1 - centre) / width) - ndtr(-centre / width)
                z = (point - centre) / width
                density = -0.5 * z * z - np.log(mass * width * np.sqrt(2 * np.pi))
            total[:, :-1] += np.where(np.isnan(point + centre), 0.0, density)
        density_of_all: Floats = logsumexp(total, b=self.weights, axis=1)
        return density_of_all


def fit(points: Floats, cells: Integers, narrowest: float | None = None) -> Parzen:
    """The density of points in the order of their trials, later ones counting more; `narrowest` as in `gaps`."""
    count = len(points)
    weights = np.ones(count + 1)
    if count >= EVEN:
        weights[: count - EVEN] = np.linspace(1 / count, 1, count - EVEN)
    return Parzen(points, gaps(points, narrowest), weights / weights.sum(), cells, np.full(len(cells), 1 / (count + 1)))


def around(point: Floats, width: Floats, cells: Integers, others: Floats) -> Parzen:
    """One kernel, and nothing beside it."""
    return Parzen(point[None, :], width[None, :], np.array([1.0, 0.0]), cells, others)


def gaps(points: Floats, narrowest: float | None) -> Floats:
    """From each point to the farther of its two neighbours, parameter by parameter, at least `narrowest`.

    None: as in Optuna, narrower with more points.
    """
    widths = np.full(points.shape, np.nan)
    narrowest = 1 / min(MOST_KERNELS, len(points) + 2) if narrowest is None else narrowest
    for column, values in enumerate(points.T):
        order = np.argsort(values, kind="stable")[: np.count_nonzero(~np.isnan(values))]
        steps = np.diff(np.concatenate([[0.0], values[order], [1.0]]))
        if len(order) > 1:  # an end of the range is no neighbour
            steps[0], steps[-1] = steps[1], steps[-2]
        widths[order, column] = np.clip(np.maximum(steps[:-1], steps[1:]), narrowest, 1.0)
    return widths


def choices(space: Space) -> Integers:
    """For each varied parameter the number of its unordered values, 0 where they have an order."""
    domains = [space[name].domain for name in space.varied]
    return np.array([0 if domain.ordered else domain.cells for domain in domains], dtype=np.int64)

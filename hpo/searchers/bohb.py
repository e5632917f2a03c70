"""BOHB's model (Falkner, Klein and Hutter 2018, ICML, arXiv:1807.01774): kernel densities of good and bad, by budget.

To be run under `hyperband`, as in the paper. Every result at every rung counts, those of trials that go on too; the
model is built on the largest budget that has enough of them. Parameters that do not apply are filled in from other
configurations, as there. What differs: a trial that broke down is bad at every budget, not only at the one it broke
down at; of one budget the latest `MOST_RESULTS` results are looked at; and one trial in five is drawn at random, from a
good density half as wide again, in place of a third and three times as wide: chosen by measurement, see docs/log.md.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from hpo.domains import Value
from hpo.history import History
from hpo.objective import Objective
from hpo.searchers.drawing import allowed, at_random, generator
from hpo.searchers.observations import BROKEN, Floats, Integers, Observations
from hpo.searchers.parzen import choices
from hpo.space import Space

NARROWEST = 1e-3  # bandwidth, in shares of the range
SMALLEST = 1e-32  # density
MOST_RESULTS = 1000


@dataclass(kw_only=True)
class BOHB:
    space: Space
    objective: Objective
    seed: int
    rungs: tuple[float, ...] = ()  # budgets in epochs at which trials are compared; empty: only their ends are
    random_fraction: float = 0.2  # 1 / 3 in the paper
    good: float = 0.15
    candidates: int = 64
    bandwidth_factor: float = 1.5  # by which the good density is widened to draw from it; 3 in the paper
    min_points: int | None = None  # in a density; None: one more than there are parameters

    def __post_init__(self) -> None:
        if not 0 <= self.random_fraction <= 1:
            raise ValueError(f"`random_fraction` must be from 0 to 1, got {self.random_fraction}; try 0.2")
        if not 0 < self.good < 1:
            raise ValueError(f"`good` must be between 0 and 1, got {self.good}; try 0.15")
        if self.candidates < 1:
            raise ValueError(f"`candidates` must be at least 1, got {self.candidates}; try 64")
        self._seen = Observations(self.space, self.objective, self.rungs)

    def propose(self, history: History) -> dict[str, Value]:
        seen, random = self._seen, generator(self.seed, history)
        seen.update(history)
        least = self.min_points or len(self.space.varied) + 1
        rung = seen.rung(enough=least + 2)
        if rung is None or random.random() < self.random_fraction:
            return at_random(seen, random)
        ranked = self._ranked(seen.results[:, rung])
        number_good = max(least, int(self.good * len(ranked)))
        number_bad = max(least, len(ranked) - number_good)
        cells = choices(self.space)
        good = density(filled(seen.shares[ranked[:number_good]], cells, random), cells)
        bad = density(filled(seen.shares[ranked[-number_bad:]], cells, random), cells)
        points = good.draw(random, self.candidates, self.bandwidth_factor)
        ratio = np.maximum(good.at(points), SMALLEST) / np.maximum(bad.at(points), SMALLEST)
        found = allowed(seen, points[np.argsort(-ratio, kind="stable")])
        return found[0] if found else at_random(seen, random)

    def _ranked(self, results: Floats) -> Integers:
        """Trials with a result, best first, and at the end those that broke down short of one."""
        latest = np.flatnonzero(~np.isnan(results) | (self._seen.standing == BROKEN))[-MOST_RESULTS:]
        scores = np.nan_to_num(results[latest], nan=-math.inf)
        return latest[np.argsort(-scores, kind="stable")]


def filled(points: Floats, cells: Integers, random: np.random.Generator) -> Floats:
    """Each gap takes the values that another point, drawn at random, has there; where none has any, random ones."""
    points = points.copy()
    for point in points:
        while len(gaps := np.flatnonzero(np.isnan(point))):
            donors = np.flatnonzero(~np.isnan(points[:, gaps[0]]))
            if len(donors):
                point[gaps] = points[random.choice(donors), gaps]
            else:
                share = random.random()
                point[gaps[0]] = share if not cells[gaps[0]] else (int(share * cells[gaps[0]]) + 0.5) / cells[gaps[0]]
    return points


@dataclass(frozen=True)
class Density:
    """One product kernel for each point: normal, or of a choice Aitchison and Aitken's (1976)."""

    points: Floats
    cells: Integers  # 0 for a parameter whose values have an order, else the number of its choices
    bandwidths: Floats

    def at(self, points: Floats) -> Floats:
        total = np.zeros((len(points), len(self.points)))
        for column, (cells, width) in enumerate(zip(self.cells.tolist(), self.bandwidths.tolist(), strict=True)):
            point, centre = points[:, column, None], self.points[:, column]
            if cells:
                same = np.floor(point * cells) == np.floor(centre * cells)
                total += np.log(np.where(same, 1 - width, width / (cells - 1)))
            else:
                total += -0.5 * ((point - centre) / width) ** 2 - math.log(width * math.sqrt(2 * math.pi))
        density: Floats = np.exp(total).mean(axis=1)
        return density

    def draw(self, random: np.random.Generator, count: int, factor: float) -> Floats:
        """Points of the cube around the density's own, (count x parameters), `factor` times as far away."""
        centre = self.points[random.integers(len(self.points), size=count)]
        share, width = random.random(centre.shape), factor * self.bandwidths
        below, above = ndtr(-centre / width), ndtr((1 - centre) / width)
        near = np.clip(centre + width * ndtri(below + share * (above - below)), 0.0, 1.0)
        other = (np.floor(share * self.cells) + 0.5) / np.maximum(self.cells, 1)
        chosen = np.where(random.random(centre.shape) < 1 - self.bandwidths, centre, other)
        return np.where(self.cells > 0, chosen, near)


def density(points: Floats, cells: Integers) -> Density:
    """Bandwidths by the normal reference rule."""
    count, parameters = points.shape
    spread = points.std(axis=0) * np.maximum(cells, 1)  # a choice is spread in steps from one value to the next
    widest = np.where(cells > 0, (cells - 1) / np.maximum(cells, 1), np.inf)  # there all choices are alike
    widths = np.clip(1.06 * spread * count ** (-1 / (4 + parameters)), NARROWEST, widest)
    return Density(points, cells, widths)

"""NSGA-III (Deb and Jain 2014, IEEE Transactions on Evolutionary Computation 18): for three objectives and more.

Who lives on is chosen by fronts, and within the last of them so that every direction from the ideal point has its
trial: where there are many objectives, room to neighbours says little. Parents are drawn from the population alike.
Scales are told from the trials that are being chosen from, without a memory of earlier ones, so that nothing but the
history decides.
"""

from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from hpo.searchers.dominance import ranks
from hpo.searchers.evolution import Evolution
from hpo.searchers.observations import Floats, Integers

OFF_AXIS = 1e-6  # weight of the other objectives, of a point that is extreme in one


@dataclass(kw_only=True)
class NSGA3(Evolution):
    spread = 30.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._directions = directions(len(self.objectives), self.population)

    def select(self, points: Floats, size: int, random: np.random.Generator) -> Integers:
        rank = ranks(points)
        last = np.sort(rank)[min(size, len(rank)) - 1]  # the front that only some of may live on
        whole, cut = np.flatnonzero(rank < last), np.flatnonzero(rank == last)
        if len(whole) + len(cut) <= size:
            return np.concatenate([whole, cut])
        place, distance = associated(normalised(-points[rank <= last], rank[rank <= last] == 0), self._directions)
        of = dict(zip(np.flatnonzero(rank <= last).tolist(), zip(place, distance, strict=True), strict=True))
        niches = np.bincount([of[one][0] for one in whole.tolist()], minlength=len(self._directions)).astype(float)
        left = {niche: [one for one in cut.tolist() if of[one][0] == niche] for niche in range(len(niches))}
        niches[[niche for niche, members in left.items() if not members]] = np.inf
        taken = whole.tolist()
        while len(taken) < size:
            niche = int(random.choice(np.flatnonzero(niches == niches.min())))
            members = left[niche]
            nearest = min(members, key=lambda one: of[one][1])
            one = nearest if niches[niche] == 0 else members[random.integers(len(members))]
            members.remove(one)
            taken.append(one)
            niches[niche] = niches[niche] + 1 if members else np.inf
        return np.array(taken)

    def mates(self, size: int, random: np.random.Generator) -> tuple[int, int]:
        one, other = random.choice(size, size=2, replace=False).tolist()
        return one, other


def directions(objectives: int, most: int) -> Floats:
    """Das and Dennis's (1998): rows that sum to 1, evenly spread; as many divisions as give no more than `most`."""
    if objectives == 1:
        return np.ones((1, 1))
    parts = 1
    while comb(parts + objectives, objectives - 1) <= most:
        parts += 1
    bars = combinations(range(parts + objectives - 1), objectives - 1)
    ends = np.array([(-1, *one, parts + objectives - 1) for one in bars])
    return (np.diff(ends, axis=1) - 1) / parts


def normalised(costs: Floats, best: "np.typing.NDArray[np.bool_]") -> Floats:
    """From 0 at the ideal point to 1 where the plane through the extreme points cuts each axis (section IV.C)."""
    shifted = costs - costs.min(axis=0)
    weights = np.full((costs.shape[1],) * 2, OFF_AXIS)
    np.fill_diagonal(weights, 1.0)
    extreme = shifted[[int(np.argmin((shifted / weight).max(axis=1))) for weight in weights]]
    try:
        with np.errstate(divide="ignore"):
            reach = 1 / np.linalg.solve(extreme, np.ones(len(extreme)))
    except np.linalg.LinAlgError:
        reach = np.full(len(extreme), np.nan)
    farthest = shifted[best].max(axis=0)  # where the extreme points span no plane
    sound = np.isfinite(reach).all() and (reach > OFF_AXIS).all()
    return shifted / np.maximum(reach if sound else farthest, 1e-12)


def associated(points: Floats, lines: Floats) -> tuple[Integers, Floats]:
    """The nearest of the lines from the origin to each point, and how far it is."""
    unit = lines / np.linalg.norm(lines, axis=1, keepdims=True)
    along = points @ unit.T
    apart = np.linalg.norm(points[:, None] - along[..., None] * unit, axis=-1)
    nearest = apart.argmin(axis=1)
    return nearest, apart[np.arange(len(points)), nearest]

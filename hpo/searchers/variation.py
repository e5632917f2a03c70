"""Children of two parents: simulated binary crossover (Deb and Agrawal 1995) and polynomial mutation (Deb 2001).

Both inside [0, 1], as in Deb's own code. Unordered choices come from either parent, and mutate to any other.
"""

import numpy as np

from hpo.searchers.observations import Floats, Integers

CROSSED = 0.9  # of the children; the others are copies until they mutate
EACH = 0.5  # of the parameters of a crossed child
LEAST = 1e-14  # apart, for two values to be crossed


def child(one: Floats, other: Floats, cells: Integers, spread: float, random: np.random.Generator) -> Floats:
    """`cells`: 0 for numbers, else how many choices. The larger `spread` (Deb's eta), the nearer to the parents."""
    born = crossed(one, other, cells, spread, random) if random.random() < CROSSED else one.copy()
    mutates = random.random(len(born)) < 1 / max(len(born), 1)
    return np.where(mutates, np.where(cells > 0, random.random(len(born)), moved(born, spread, random)), born)


def crossed(one: Floats, other: Floats, cells: Integers, spread: float, random: np.random.Generator) -> Floats:
    count = len(one)
    low, high, drawn = np.minimum(one, other), np.maximum(one, other), random.random(count)
    apart = np.maximum(high - low, LEAST)
    upper = random.random(count) < 0.5  # which of the two children
    room = np.where(upper, 1 - high, low)  # to the bound on its side
    most = 2 - (1 + 2 * room / apart) ** -(spread + 1)
    base = np.where(drawn <= 1 / most, drawn * most, 1 / np.maximum(2 - drawn * most, LEAST))
    reach = base ** (1 / (spread + 1)) * apart
    born = np.clip((low + high + np.where(upper, reach, -reach)) / 2, 0.0, 1.0)
    kept = (random.random(count) >= EACH) | (high - low < LEAST)
    return np.where(cells > 0, np.where(upper, one, other), np.where(kept, one, born))


def moved(point: Floats, spread: float, random: np.random.Generator) -> Floats:
    drawn = random.random(len(point))
    down = 2 * drawn + (1 - 2 * drawn) * (1 - point) ** (spread + 1)
    up = 2 * (1 - drawn) + (2 * drawn - 1) * point ** (spread + 1)
    power = 1 / (spread + 1)
    by = np.where(drawn < 0.5, np.abs(down) ** power - 1, 1 - np.abs(up) ** power)
    return np.clip(point + by, 0.0, 1.0)

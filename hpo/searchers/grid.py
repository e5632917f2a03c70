"""Grid search: every combination once, in an order drawn from the seed; one cut short has still been everywhere."""

import math
from dataclasses import dataclass

import numpy as np

from hpo.domains import Domain, Integer, LogInteger, Value, all_values
from hpo.history import History
from hpo.objective import Objective
from hpo.space import Space

LARGEST = 1_000_000  # combinations


@dataclass(kw_only=True)
class GridSearch:
    space: Space
    objective: Objective
    seed: int
    points: int = 5  # of a range without steps, both ends included

    def __post_init__(self) -> None:
        if self.points < 2:
            raise ValueError(f"`points` must be at least 2, got {self.points}; try 5")
        size = math.prod(count(self.space[name].domain, self.points) for name in self.space.order)
        if size > LARGEST:
            raise ValueError(f"a grid of {size:,} combinations is more than {LARGEST:,}; lower `points`, or use tpe")
        self._values = {name: values(self.space[name].domain, self.points) for name in self.space.order}
        size = math.prod(map(len, self._values.values()))
        self._waiting = iter(np.random.default_rng(self.seed).permutation(size).tolist())
        self._found: list[dict[str, Value]] = []

    def propose(self, history: History) -> dict[str, Value]:
        """Number k is the k-th combination that is allowed; after the last one they come again."""
        number = len(history.trials)
        while len(self._found) <= number and (index := next(self._waiting, None)) is not None:
            if (params := self._combination(index)) is not None:
                self._found.append(params)
        if not self._found:
            raise ValueError("no combination of the grid meets all constraints; raise `points`, or use tpe")
        return dict(self._found[number % len(self._found)])

    def _combination(self, index: int) -> dict[str, Value] | None:
        """None where it breaks a constraint, or is another one but for a parameter that does not apply."""
        params: dict[str, Value] = {}
        for name, tried in self._values.items():
            index, chosen = divmod(index, len(tried))
            if self.space[name].applies(params):
                params[name] = tried[chosen]
            elif chosen:
                return None
        return params if self.space.allows(params) else None


def count(domain: Domain, points: int) -> int:
    """Of values, at most: all of a choice, a small range and one with steps; of another range `points`."""
    whole = isinstance(domain, LogInteger) or isinstance(domain, Integer) and domain.step == 1
    return points if domain.cells is None or (whole and domain.cells > points) else domain.cells


def values(domain: Domain, points: int) -> list[Value]:
    """As many, the ends of the range among them."""
    if domain.cells == count(domain, points):
        return all_values(domain)
    return list(dict.fromkeys(domain.at(index / (points - 1)) for index in range(points)))

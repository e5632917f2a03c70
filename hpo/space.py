"""What a search may choose from: the domain of each parameter and when it applies."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

Value = float | int | str | bool | None
Params = Mapping[str, Value]


@dataclass(frozen=True)
class Uniform:
    low: float
    high: float

    def sample(self, random: Random) -> float:
        return random.uniform(self.low, self.high)

    def ends(self) -> tuple[Value, ...]:
        return self.low, self.high


@dataclass(frozen=True)
class LogUniform:
    low: float
    high: float

    def sample(self, random: Random) -> float:
        value = math.exp(random.uniform(math.log(self.low), math.log(self.high)))
        return min(max(value, self.low), self.high)  # exp(log(x)) may leave the range by one rounding

    def ends(self) -> tuple[Value, ...]:
        return self.low, self.high


@dataclass(frozen=True)
class Integer:
    low: int
    high: int

    def sample(self, random: Random) -> int:
        return random.randint(self.low, self.high)

    def ends(self) -> tuple[Value, ...]:
        return self.low, self.high


@dataclass(frozen=True)
class LogInteger:
    low: int
    high: int

    def sample(self, random: Random) -> int:
        # half a step on both sides: the two end values get their whole share
        value = math.exp(random.uniform(math.log(self.low - 0.5), math.log(self.high + 0.5)))
        return min(max(round(value), self.low), self.high)

    def ends(self) -> tuple[Value, ...]:
        return self.low, self.high


@dataclass(frozen=True)
class Choice:
    values: tuple[Value, ...]

    def sample(self, random: Random) -> Value:
        return random.choice(self.values)

    def ends(self) -> tuple[Value, ...]:
        return self.values


Domain = Uniform | LogUniform | Integer | LogInteger | Choice

DOMAINS: dict[str, type[Any]] = {
    "uniform": Uniform,
    "log_uniform": LogUniform,
    "integer": Integer,
    "log_integer": LogInteger,
    "choice": Choice,
}


@dataclass(frozen=True)
class Parameter:
    """A domain, and the values of other parameters under which it is searched at all."""

    domain: Domain
    when: tuple[tuple[str, tuple[Value, ...]], ...] = ()

    def applies(self, params: Params) -> bool:
        return all(name in params and params[name] in allowed for name, allowed in self.when)


Space = Mapping[str, Parameter]


def parents_first(space: Space) -> list[str]:
    """The names in an order in which every condition is known before it is asked; ValueError on a circle."""
    order: list[str] = []
    waiting = dict(space)
    while waiting:
        ready = [name for name, parameter in waiting.items() if all(parent in order for parent, _ in parameter.when)]
        if not ready:
            raise ValueError(f"conditions form a circle: {', '.join(sorted(waiting))}")
        order += ready
        waiting = {name: parameter for name, parameter in waiting.items() if name not in ready}
    return order


def corners(space: Space) -> list[dict[str, Value]]:
    """Every parameter at the first end of its range, then each at its other ends, under the conditions it is for."""
    order = parents_first(space)

    def corner(wanted: Mapping[str, Value]) -> dict[str, Value]:
        params: dict[str, Value] = {}
        for name in order:
            if space[name].applies(params):
                params[name] = wanted.get(name, space[name].domain.ends()[0])
        return params

    found = [corner({})]
    for name in order:
        allowed: dict[str, Value] = {}  # the nearest conditions, and theirs
        waiting = [name]
        while waiting:
            for parent, values in space[waiting.pop()].when:
                allowed[parent] = values[0]
                waiting.append(parent)
        found += [corner({**allowed, name: end}) for end in space[name].domain.ends()]
    return [params for index, params in enumerate(found) if params not in found[:index]]


def sample(space: Space, random: Random) -> dict[str, Value]:
    """One configuration, drawn independently; parameters whose condition does not hold are absent."""
    params: dict[str, Value] = {}
    for name in parents_first(space):
        if space[name].applies(params):
            params[name] = space[name].domain.sample(random)
    return params

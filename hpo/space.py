"""What a search may choose from: the domain of each parameter, when it applies, and what must hold between them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Literal, Protocol

from hpo.constraints import Constraint
from hpo.domains import Domain, Value, all_values

Params = Mapping[str, Value]
Confidence = Literal["low", "medium", "high"]

TRIES = 10_000  # random configurations until one meets all constraints
WORK = 1_000_000  # parameters drawn for all corners of a space together


@dataclass(frozen=True)
class Prior:
    """Where a person thinks the best value lies, and how sure they are."""

    at: Value
    confidence: Confidence = "medium"


@dataclass(frozen=True)
class Parameter:
    """A domain, the values of other parameters under which it is searched at all, and what is thought of it."""

    domain: Domain
    when: tuple[tuple[str, tuple[Value, ...]], ...] = ()
    prior: Prior | None = None

    def applies(self, params: Params) -> bool:
        return all(name in params and params[name] in allowed for name, allowed in self.when)


@dataclass(frozen=True)
class Space(Mapping[str, Parameter]):
    """The parameters by name, and the constraints between them."""

    parameters: Mapping[str, Parameter]
    constraints: tuple[Constraint, ...] = ()
    order: tuple[str, ...] = field(init=False)  # of names: every condition is known before it is asked
    varied: tuple[str, ...] = field(init=False)  # names of those with more than one value

    def __post_init__(self) -> None:
        object.__setattr__(self, "order", tuple(parents_first(self.parameters)))
        varied = tuple(name for name, parameter in self.parameters.items() if parameter.domain.cells != 1)
        object.__setattr__(self, "varied", varied)

    def __getitem__(self, name: str) -> Parameter:
        return self.parameters[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.parameters)

    def __len__(self) -> int:
        return len(self.parameters)

    def allows(self, params: Params) -> bool:
        return all(constraint.holds(params) for constraint in self.constraints)


class Uniforms(Protocol):
    """`random.Random` and `numpy.random.Generator` alike."""

    def random(self) -> float: ...


def parents_first(parameters: Mapping[str, Parameter]) -> list[str]:
    """The names in an order in which every condition is known before it is asked; ValueError on a circle."""
    order: dict[str, None] = {}
    waiting = dict(parameters)
    while waiting:
        ready = [name for name, parameter in waiting.items() if all(parent in order for parent, _ in parameter.when)]
        if not ready:
            raise ValueError(f"conditions form a circle: {', '.join(sorted(waiting))}")
        order |= dict.fromkeys(ready)
        waiting = {name: parameter for name, parameter in waiting.items() if name not in order}
    return list(order)


def at(space: Space, shares: Mapping[str, float]) -> dict[str, Value]:
    """The configuration at these shares of the varied ranges; what does not apply, by its condition, is left out."""
    params: dict[str, Value] = {}
    for name in space.order:
        if space[name].applies(params):
            params[name] = space[name].domain.at(shares.get(name, 0.0))
    return params


def sample(space: Space, random: Uniforms, fixed: Params | None = None, tries: int = TRIES) -> dict[str, Value]:
    """One configuration, drawn independently, that keeps `fixed` where it applies and meets all constraints.

    ValueError where none of `tries` does.
    """
    for _ in range(tries):
        params: dict[str, Value] = {}
        for name in space.order:
            if space[name].applies(params):
                share = random.random()
                params[name] = fixed[name] if fixed and name in fixed else space[name].domain.at(share)
        if space.allows(params):
            return params
    broken = next(one.text for one in space.constraints if not one.holds(params))
    raise ValueError(
        f"none of {tries:,} random configurations meets all constraints, the last not `{broken}`; loosen it"
    )


def configurations(space: Space) -> Iterator[dict[str, Value]]:
    """All that a space allows; there must be no numbers between two others."""
    partial: list[dict[str, Value]] = [{}]
    while partial:
        params = partial.pop()
        name = next((one for one in space.order if one not in params and space[one].applies(params)), None)
        if name is not None:
            partial += [{**params, name: value} for value in all_values(space[name].domain)]
        elif space.allows(params):
            yield params


def corners(space: Space) -> list[dict[str, Value]]:
    """Every parameter at the first end of its range, then each at its other ends, under the conditions it is for."""
    found = [corner(space, {}), *(params for name in space.order for params in ends(space, name))]
    # True and 1 are equal, but not the same choice
    there = [params for params in found if params is not None]  # {} too: of a study of one trial
    different = {tuple((name, type(value), value) for name, value in params.items()): params for params in there}
    return list(different.values())


def ends(space: Space, name: str) -> list[dict[str, Value]]:
    """The corners at which one parameter has each end of its range."""
    wanted: dict[str, Value] = {}  # the nearest conditions, and theirs
    waiting = [name]
    while waiting:
        for parent, values in space[waiting.pop()].when:
            if parent not in wanted:
                wanted[parent] = values[0]
                waiting.append(parent)
    found = [corner(space, {**wanted, name: end}) for end in space[name].domain.ends()]
    return [params for params in found if params is not None]


def corner(space: Space, wanted: Params) -> dict[str, Value] | None:
    """All others at the first ends of their ranges, or drawn where those break a constraint; None if no draw helps."""
    params: dict[str, Value] = {}
    for name in space.order:
        if space[name].applies(params):
            params[name] = wanted.get(name, space[name].domain.ends()[0])
    if space.allows(params):
        return params
    try:
        corners = sum(len(parameter.domain.ends()) for parameter in space.values())
        return sample(space, Random(0), fixed=wanted, tries=max(10, WORK // (corners * len(space))))
    except ValueError:
        return None

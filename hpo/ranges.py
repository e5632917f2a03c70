"""How a study file writes one parameter of the search space."""

import math
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hpo.domains import DOMAINS, Choice, Constant, Domain, Normal, OrderedChoice, Value, contains, in_words
from hpo.space import Confidence, Parameter, Prior

STEPPED = ("uniform", "integer")
MOST_STEPS = 1_000_000_000


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class NormalRange(Strict):
    """A bell around `mean`; it ends at low and high, or else 4 standard deviations from the mean."""

    mean: float
    sd: float = Field(gt=0)
    low: float | None = None
    high: float | None = None

    @model_validator(mode="after")
    def _valid(self) -> "NormalRange":
        domain = Normal(self.mean, self.sd, self.low, self.high)
        low, high = domain.bounds
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError(f"normal spans more than a number can hold, {low:g} to {high:g}; narrow it")
        if low >= high:
            raise ValueError(f"normal takes low < high, got {low:g} and {high:g}; turn them round")
        if domain.probability < 1e-3:
            raise ValueError(
                f"low {low:g} and high {high:g} leave less than 0.1 % of the bell around {self.mean:g}; use uniform"
            )
        return self


class PriorRange(Strict):
    """Where the best value is thought to lie."""

    at: Value = None
    confidence: Confidence = "medium"


class Range(Strict):
    """One parameter of the search space: exactly one domain, and what is known of it."""

    uniform: list[float] | None = None
    log_uniform: list[float] | None = None
    integer: list[int] | None = None
    log_integer: list[int] | None = None
    normal: NormalRange | None = None
    choice: list[Value] | None = None
    ordered_choice: list[Value] | None = None
    constant: Value = None
    step: float | int | None = None
    when: dict[str, Annotated[list[Value], Field(min_length=1)]] = {}
    prior: PriorRange | Value = None

    @model_validator(mode="after")
    def _valid(self) -> "Range":
        kind = self._kind()
        values = getattr(self, kind)
        if kind in ("choice", "ordered_choice"):
            if len(values) < 2 or len({(type(value), value) for value in values}) != len(values):
                raise ValueError(f"{kind} takes two or more different values, got {values}")
        elif isinstance(values, list):
            _check_ends(kind, values)
        if self.step is not None:
            _check_step(kind, values, self.step)
        if (prior := self._prior()) is not None and not contains(self._domain(), prior.at):
            raise ValueError(f"prior {prior.at!r} lies outside the range; give one of {in_words(self._domain())}")
        return self

    def parameter(self) -> Parameter:
        when = tuple((name, tuple(allowed)) for name, allowed in self.when.items())
        return Parameter(self._domain(), when, self._prior())

    def _kind(self) -> str:
        given = [name for name in DOMAINS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"takes exactly one of {', '.join(DOMAINS)}, got {', '.join(given) or 'none'}")
        return given[0]

    def _domain(self) -> Domain:
        kind = self._kind()
        values: Any = getattr(self, kind)
        if isinstance(values, NormalRange):
            return Normal(**values.model_dump())
        if kind == "constant":
            return Constant(values)
        if kind in ("choice", "ordered_choice"):
            return (OrderedChoice if kind == "ordered_choice" else Choice)(tuple(values))
        domain: Domain = DOMAINS[kind](*values) if self.step is None else DOMAINS[kind](*values, self.step)
        return domain

    def _prior(self) -> Prior | None:
        if isinstance(self.prior, PriorRange):
            return Prior(self.prior.at, self.prior.confidence)
        return None if self.prior is None else Prior(self.prior)


def _check_ends(kind: str, values: list[float]) -> None:
    if len(values) != 2:
        raise ValueError(f"{kind} takes [low, high], got {values}")
    low, high = values
    if low == high:
        raise ValueError(f"{kind} takes [low, high] with low < high, got {values}; write `constant: {low}`")
    if low > high:
        raise ValueError(f"{kind} takes [low, high] with low < high, got {values}; turn them round")
    if kind.startswith("log") and low <= 0:
        raise ValueError(f"{kind} needs low > 0, got {values}; begin at {high / 1000:g} or use {kind[4:]}")
    if not math.isfinite(high / low if kind.startswith("log") else high - low):
        raise ValueError(f"{kind} spans more than a number can hold, got {values}; narrow it")


def _check_step(kind: str, values: list[float], step: float) -> None:
    if kind not in STEPPED:
        raise ValueError(f"step goes with {' or '.join(STEPPED)}, got {kind}; leave it out or use ordered_choice")
    if kind == "integer" and step != int(step):
        raise ValueError(f"step of integer must be a whole number, got {step}; use uniform")
    low, high = values
    if not 0 < step <= high - low or not math.isfinite(step):
        raise ValueError(f"step must be above 0 and at most {high - low:g}, got {step:g}")
    if step < (high - low) / MOST_STEPS:
        raise ValueError(f"step {step:g} makes more than {MOST_STEPS:,} values of [{low:g}, {high:g}]; leave it out")

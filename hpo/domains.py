"""The kinds of range that a parameter is searched in, each a map between a share of the range, 0 to 1, and its values.

Searchers work on shares: `at(share)` is the value there, `share(value)` the way back. A range of few values gives each
an equal part of the shares, and `share` names the middle of that part. Values are plain Python numbers and strings.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, ClassVar

Value = float | int | str | bool | None

WIDEST = 4.0  # standard deviations from the mean at which `normal` ends where no low or high is given


@dataclass(frozen=True)
class Uniform:
    low: float
    high: float
    step: float | None = None  # low, low + step, ... up to high

    ordered: ClassVar[bool] = True

    @property
    def cells(self) -> int | None:
        """How many values there are; None for any number between two others."""
        return None if self.step is None else math.floor((self.high - self.low) / self.step + 1e-9) + 1

    def at(self, share: float) -> float:
        if self.cells is None:
            return float(min(max(self.low + share * (self.high - self.low), self.low), self.high))
        return _tidy(self.low + _cell(share, self.cells) * float(self.step or 0))

    def share(self, value: Any) -> float:
        if self.cells is None:
            return _inside((value - self.low) / (self.high - self.low))
        return _middle(round((value - self.low) / float(self.step or 1)), self.cells)

    def ends(self) -> tuple[Value, ...]:
        return self.at(0.0), self.at(1.0)


@dataclass(frozen=True)
class LogUniform:
    low: float
    high: float

    ordered: ClassVar[bool] = True
    cells: ClassVar[int | None] = None

    def at(self, share: float) -> float:
        value = math.exp(math.log(self.low) + share * math.log(self.high / self.low))
        return float(min(max(value, self.low), self.high))  # exp(log(x)) may leave the range by one rounding

    def share(self, value: Any) -> float:
        return _inside(math.log(value / self.low) / math.log(self.high / self.low))

    def ends(self) -> tuple[Value, ...]:
        return self.low, self.high


@dataclass(frozen=True)
class Integer:
    low: int
    high: int
    step: int = 1

    ordered: ClassVar[bool] = True

    @property
    def cells(self) -> int:
        return (self.high - self.low) // self.step + 1

    def at(self, share: float) -> int:
        return self.low + _cell(share, self.cells) * self.step

    def share(self, value: Any) -> float:
        return _middle(round((value - self.low) / self.step), self.cells)

    def ends(self) -> tuple[Value, ...]:
        return self.at(0.0), self.at(1.0)


@dataclass(frozen=True)
class LogInteger:
    low: int
    high: int

    ordered: ClassVar[bool] = True

    @property
    def cells(self) -> int:
        return self.high - self.low + 1

    def at(self, share: float) -> int:
        # half a step on both sides: the two end values get their whole share
        bottom, top = math.log(self.low - 0.5), math.log(self.high + 0.5)
        return min(max(round(math.exp(bottom + share * (top - bottom))), self.low), self.high)

    def share(self, value: Any) -> float:
        bottom, top = math.log(self.low - 0.5), math.log(self.high + 0.5)
        return _inside((math.log(value) - bottom) / (top - bottom))

    def ends(self) -> tuple[Value, ...]:
        return self.low, self.high


@dataclass(frozen=True)
class Normal:
    """Shares of a normal distribution, cut off at low and high: values near the mean are searched more."""

    mean: float
    sd: float
    low: float | None = None
    high: float | None = None

    ordered: ClassVar[bool] = True
    cells: ClassVar[int | None] = None

    def at(self, share: float) -> float:
        (low, high), bell = self.bounds, NormalDist(self.mean, self.sd)
        below, above = bell.cdf(low), bell.cdf(high)
        probability = min(max(below + share * (above - below), 1e-12), 1 - 1e-12)
        return float(min(max(bell.inv_cdf(probability), low), high))

    def share(self, value: Any) -> float:
        (low, high), bell = self.bounds, NormalDist(self.mean, self.sd)
        return _inside((bell.cdf(value) - bell.cdf(low)) / (bell.cdf(high) - bell.cdf(low)))

    def ends(self) -> tuple[Value, ...]:
        return self.bounds

    @property
    def probability(self) -> float:
        """Of the whole bell, what lies between low and high."""
        (low, high), bell = self.bounds, NormalDist(self.mean, self.sd)
        return bell.cdf(high) - bell.cdf(low)

    @property
    def bounds(self) -> tuple[float, float]:
        low = self.mean - WIDEST * self.sd if self.low is None else self.low
        high = self.mean + WIDEST * self.sd if self.high is None else self.high
        return low, high


@dataclass(frozen=True)
class Choice:
    """Values without an order: knowing one tells nothing of another."""

    values: tuple[Value, ...]

    ordered: ClassVar[bool] = False

    @property
    def cells(self) -> int:
        return len(self.values)

    def at(self, share: float) -> Value:
        return self.values[_cell(share, self.cells)]

    def share(self, value: Any) -> float:
        return _middle(self.values.index(value), self.cells)

    def ends(self) -> tuple[Value, ...]:
        return self.values


@dataclass(frozen=True)
class OrderedChoice(Choice):
    """Values of which neighbours are alike: 16, 32, 64 or small, medium, large."""

    ordered: ClassVar[bool] = True


@dataclass(frozen=True)
class Constant:
    """One value, which every trial has; stands beside searched ones to be named in conditions and constraints."""

    value: Value

    ordered: ClassVar[bool] = False
    cells: ClassVar[int] = 1

    def at(self, share: float) -> Value:
        return self.value

    def share(self, value: Any) -> float:
        return 0.5

    def ends(self) -> tuple[Value, ...]:
        return (self.value,)


Domain = Uniform | LogUniform | Integer | LogInteger | Normal | Choice | OrderedChoice | Constant

DOMAINS: dict[str, type[Any]] = {
    "uniform": Uniform,
    "log_uniform": LogUniform,
    "integer": Integer,
    "log_integer": LogInteger,
    "normal": Normal,
    "choice": Choice,
    "ordered_choice": OrderedChoice,
    "constant": Constant,
}


def all_values(domain: Domain) -> list[Value]:
    """Of a domain with `cells`."""
    if isinstance(domain, Choice | Constant):
        return list(domain.ends())
    if isinstance(domain, LogInteger):
        return list(range(domain.low, domain.high + 1))
    return [domain.at((cell + 0.5) / (domain.cells or 1)) for cell in range(domain.cells or 0)]


def contains(domain: Domain, value: Any) -> bool:
    """Whether the domain can give this value, up to rounding."""
    if isinstance(domain, Choice):
        return any(type(one) is type(value) and one == value for one in domain.values)
    if isinstance(domain, Constant):
        return type(domain.value) is type(value) and bool(domain.value == value)
    whole = isinstance(domain, Integer | LogInteger)
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)) or not math.isfinite(value):
        return False
    low, high = domain.ends()
    if not low <= value <= high:  # type: ignore[operator]
        return False
    return domain.cells is None or math.isclose(domain.at(domain.share(value)), value, rel_tol=1e-9, abs_tol=1e-12)


def in_words(domain: Domain) -> str:
    """`a, b or c`, `1 to 9`, `0 to 1 in steps of 0.1`."""
    if isinstance(domain, Choice | Constant):
        *others, last = map(str, domain.ends())
        return f"{', '.join(others)} or {last}" if others else last
    step = domain.step if isinstance(domain, Uniform | Integer) else None
    low, high = domain.ends()
    return f"{low} to {high}" + (f" in steps of {step}" if step not in (None, 1) else "")


def _inside(share: float) -> float:
    return float(min(max(share, 0.0), 1.0))


def _cell(share: float, cells: int) -> int:
    return min(max(int(share * cells), 0), cells - 1)


def _middle(cell: int, cells: int) -> float:
    return (min(max(cell, 0), cells - 1) + 0.5) / cells


def _tidy(value: float) -> float:
    """0.3 rather than 0.30000000000000004."""
    return float(f"{value:.12g}")

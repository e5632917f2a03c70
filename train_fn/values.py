"""Which values a setting may take: a type with its rule, told in words where it is broken."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import lru_cache
from math import inf
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints


@dataclass(frozen=True)
class Rule:
    words: str
    holds: Callable[[Any], bool]  # NaN fails every comparison and so every rule


def is_int(value: Any) -> bool:
    """Of 64 bits: what counts steps and rows takes no more."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def is_number(value: Any) -> bool:
    # YAML 1.1 reads 5e-5 as text, and `"5e-5" > 0` would raise a TypeError that names no field
    return isinstance(value, float) or is_int(value)


Positive = Annotated[float, Rule("a number > 0", lambda value: is_number(value) and 0 < value < inf)]
NotNegative = Annotated[float, Rule("a number >= 0", lambda value: is_number(value) and 0 <= value < inf)]
AboveOne = Annotated[float, Rule("a number > 1", lambda value: is_number(value) and 1 < value < inf)]
Fraction = Annotated[float, Rule("in [0, 1]", lambda value: is_number(value) and 0 <= value <= 1)]
BelowOne = Annotated[float, Rule("in [0, 1)", lambda value: is_number(value) and 0 <= value < 1)]
AboveZero = Annotated[float, Rule("in (0, 1]", lambda value: is_number(value) and 0 < value <= 1)]
# the survivors of dropout count 1 / (1 - p) each: near 1 that is no number that a sum could bear
Dropout = Annotated[float, Rule("in [0, 0.99]", lambda value: is_number(value) and 0 <= value <= 0.99)]
Epochs = Annotated[float, Rule("in [0.0001, 1e6]", lambda value: is_number(value) and 1e-4 <= value <= 1e6)]
# what is below fp32's smallest normal number is 0 to an optimizer, which would divide by it
Epsilon = Annotated[float, Rule("a number >= 1.2e-38", lambda value: is_number(value) and 1.2e-38 <= value < inf)]
Between = Annotated[float, Rule("in (0, 1)", lambda value: is_number(value) and 0 < value < 1)]
Count = Annotated[int, Rule("a whole number >= 1", lambda value: is_int(value) and value >= 1)]
CountOrZero = Annotated[int, Rule("a whole number >= 0", lambda value: is_int(value) and value >= 0)]
CountOrAuto = Annotated[
    int | str, Rule("auto or a whole number >= 1", lambda value: value == "auto" or (is_int(value) and value >= 1))
]
Magnitude = Annotated[float, Rule("in [0, 30]", lambda value: is_number(value) and 0 <= value <= 30)]
Length = Annotated[int, Rule("a whole number >= 8", lambda value: is_int(value) and value >= 8)]
Seed = Annotated[int, Rule("a whole number in [0, 2**63)", lambda value: is_int(value) and 0 <= value < 2**63)]
Name = Annotated[str, Rule("a name", lambda value: isinstance(value, str) and value != "")]
Flag = Annotated[bool, Rule("true or false", lambda value: isinstance(value, bool))]


def check_values(config: Any) -> None:
    """Raise a ValueError for the first field of a dataclass whose value breaks the rule of its type."""
    rules = rules_of(config.__class__)
    for field in fields(config):
        value, rule = getattr(config, field.name), rules[field.name]
        if not rule.holds(value):
            way_out = "" if field.default in (MISSING, None) else f"; try {field.default}"
            raise ValueError(f"`{field.name}` must be {rule.words}, got {value!r}{way_out}")


@lru_cache
def rules_of(cls: Any) -> Mapping[str, Rule]:
    types = get_type_hints(cls, include_extras=True)
    return {field.name: rule_of(types[field.name]) for field in fields(cls)}


def rule_of(annotation: Any) -> Rule:
    """Of an annotated type, of a Literal, of a class, or of one of these `| None`."""
    if NoneType in get_args(annotation):
        [inner] = (argument for argument in get_args(annotation) if argument is not NoneType)
        rule = rule_of(inner)
        return Rule(f"{rule.words} or None", lambda value: value is None or rule.holds(value))
    if get_origin(annotation) is Annotated:
        [rule] = annotation.__metadata__
        return rule
    if get_origin(annotation) is Literal:
        choices = get_args(annotation)
        return Rule(f"one of {', '.join(choices)}", lambda value: value in choices)
    if get_origin(annotation) is tuple:
        each = rule_of(get_args(annotation)[0])
        return Rule(f"a list of {each.words}", lambda value: isinstance(value, tuple) and all(map(each.holds, value)))
    return Rule(f"a {annotation.__name__}", lambda value: isinstance(value, annotation))

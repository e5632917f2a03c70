"""What pydantic says of a value of the wrong type or size, in the words of a person who writes YAML."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import ValidationError

from hpo.spelling import did_you_mean
from hpo.yaml_scalars import resolve

Key = tuple[str | int, ...]

TYPES = {
    "string_type": "a word",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "none_required": "null",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a group of settings",
    "model_type": "a group of settings",
    "model_attributes_type": "a group of settings",
    "dataclass_type": "a group of settings",
    "dataclass_exact_type": "a group of settings",
}
RULES = {
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be above {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be below {lt}",
    "string_pattern_mismatch": "must match {pattern}",
    "too_short": "must have {min_length} or more entries",
    "too_long": "must have {max_length} entries at most",
}
SAID = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}  # in YAML 1.1


def by_field(error: ValidationError, data: Any) -> Iterator[tuple[Key, list[Any]]]:
    """Its faults under the field of `data` that each is about; one that lies inside of another says more."""
    faults: dict[Key, list[Any]] = {}
    for one in error.errors():
        faults.setdefault(_field(one["loc"], data, one["type"] == "missing"), []).append(one)
    around = {key[:depth] for key in faults for depth in range(len(key))}
    for key, several in faults.items():
        if key not in around:
            yield key, several


def in_words(several: Sequence[Any]) -> str:
    """The reason of the faults of one field: of one that may be of several types, each type is a fault."""
    first = several[0]
    said = str(first["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if first["type"] in ("value_error", "assertion_error"):
        return said
    if first["type"] == "missing":
        return "is missing"
    got = shown(first["input"])
    if first["type"] == "literal_error":
        names = re.findall(r"'([^']*)'", first["ctx"]["expected"])
        return f"must be one of {', '.join(names)}, got {got}{did_you_mean(str(first['input']), names)}"
    if types := list(dict.fromkeys(TYPES[one["type"]] for one in several if one["type"] in TYPES)):
        return f"must be {' or '.join(types)}, got {got}{_meant(first['input'], types)}"
    if first["type"] in RULES:
        bounds = {name: f"{bound:.12g}" if isinstance(bound, float) else bound for name, bound in first["ctx"].items()}
        return f"{RULES[first['type']].format(**bounds)}, got {got}"
    return f"{said[0].lower()}{said[1:]}, got {got}"


def shown(value: Any) -> str:
    """As it would stand in YAML, cut off where it is long."""
    text = repr(value) if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) < 80 else f"{text[:77]}..."


def _field(location: tuple[Any, ...], data: Any, is_missing: bool) -> Key:
    """pydantic also names the types that it tried: only what stands in the data is part of the place."""
    key: Key = ()
    for index, part in enumerate(location):
        if isinstance(data, dict) and part in data or isinstance(data, list) and isinstance(part, int):
            key, data = (*key, part), data[part]
        elif is_missing and index == len(location) - 1:
            key = (*key, part)
    return key


def _meant(value: Any, types: Sequence[str]) -> str:
    """The way out where a number or a truth value was written as a word."""
    if not isinstance(value, str):
        return ""
    if "true or false" in types and value.lower() in SAID:
        return f"; write {SAID[value.lower()]}"
    for text in (value.strip(), re.sub(r"(?<=\d)[_,'](?=\d)", "", value)):
        try:
            meant = resolve(text)
        except ValueError:
            continue
        if isinstance(meant, (int, float)) and ("true or false" in types) == isinstance(meant, bool):
            return f"; write {text}" + (" without quotes" if text == value else "")
    return ""

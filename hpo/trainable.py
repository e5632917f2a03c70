"""Finds a trainable by its dotted name and builds its configuration, refusing every name and type it does not know."""

import dataclasses
import importlib
import json
import sys
import typing
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import TypeAdapter, ValidationError

from hpo.spelling import did_you_mean
from train_fn.report import Report

Trainable = Callable[..., Generator[Report, None, None]]  # epochs(config, resume_from=None)


class ConfigError(ValueError):
    """A configuration that the trainable cannot take; `key` is the path of the field at fault."""

    def __init__(self, key: tuple[str | int, ...], reason: str) -> None:
        super().__init__(reason)
        self.key = key
        self.reason = reason


def resolve(dotted: str) -> Any:
    """`package.module:name` to the object; modules in the working directory are found too. ValueError if none."""
    module_name, _, name = dotted.partition(":")
    if not module_name or not name:
        raise ValueError(f"must read `module:function`, got {dotted!r}; for example train_fn.text:epochs")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"no module {error.name!r} to be found from {here}; check the spelling of {dotted!r}"
        ) from None
    except Exception as error:
        raise ValueError(f"importing {module_name!r} failed: {type(error).__name__}: {error}") from None
    if not hasattr(module, name):
        functions = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise ValueError(f"module {module_name!r} has no {name!r}{did_you_mean(name, functions)}")
    return getattr(module, name)


def module_of(trainable: Trainable) -> ModuleType:
    """The trainable's module, which may also define `check(config)`, `prepare(config)`, `test(config, checkpoint)`."""
    return sys.modules[trainable.__module__]


def config_class(trainable: Trainable) -> type[Any]:
    """The frozen dataclass that annotates `config`: it tells which names exist."""
    annotation = typing.get_type_hints(trainable).get("config")
    if annotation is None or not dataclasses.is_dataclass(annotation):
        raise ValueError(
            f"`{trainable.__name__}(config: C, resume_from=None)` must annotate config by a dataclass, got {annotation}"
        )
    return typing.cast(type[Any], annotation)


def build_config(cls: type[Any], values: Mapping[str, Any]) -> Any:
    """Nested plain values to the frozen dataclass, without casts; ConfigError names field, rule and way out."""
    _check_names(cls, values, ())
    try:
        # strict JSON mode: a list may become a tuple and a dict a dataclass, but "5" never becomes 5
        return TypeAdapter(cls).validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        reason = str(first["msg"]).removeprefix("Value error, ")
        raise ConfigError(_field(cls, tuple(first["loc"]), reason), _with_input(reason, first)) from None


def check_config(trainable: Trainable, config: Any) -> None:
    """Let the trainable's module say what does not fit together; ConfigError names the field that it names."""
    check = getattr(module_of(trainable), "check", None)
    if check is None:
        return
    try:
        check(config)
    except ValueError as error:
        reason = str(error)
        raise ConfigError((reason[1:].partition("`")[0],) if reason.startswith("`") else (), reason) from None


def resolved(fixed: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """The fixed settings with a trial's parameters laid over; `data.max_train_rows` reaches into a group."""
    config: dict[str, Any] = json.loads(json.dumps(fixed))
    for name, value in params.items():
        *groups, leaf = name.split(".")
        place = config
        for group in groups:
            place = place.setdefault(group, {})
        place[leaf] = value
    return config


def _check_names(cls: type[Any], values: Mapping[str, Any], key: tuple[str, ...]) -> None:
    fields = {field.name: field for field in dataclasses.fields(cls)}
    types = typing.get_type_hints(cls)
    for name, value in values.items():
        if name not in fields:
            raise ConfigError((*key, name), f"is no field of {cls.__name__}{did_you_mean(name, fields)}")
        if dataclasses.is_dataclass(types[name]) and isinstance(value, Mapping):
            _check_names(typing.cast(type[Any], types[name]), value, (*key, name))
    for name, field in fields.items():
        needed = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if needed and name not in values:
            raise ConfigError((*key, name), f"is missing; {cls.__name__} needs it")


def _field(cls: type[Any], location: tuple[str | int, ...], reason: str) -> tuple[str | int, ...]:
    """A rule in `__post_init__` begins with the field in backticks; pydantic tells only the group it is in."""
    if reason.startswith("`"):
        return (*location, reason[1:].partition("`")[0])
    return location


def _with_input(reason: str, error: Any) -> str:
    if error["type"] in ("value_error", "assertion_error"):
        return reason
    if error["type"] == "literal_error":
        names = error["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        return f"must be one of {', '.join(names)}, got {error['input']!r}{did_you_mean(str(error['input']), names)}"
    return f"{reason[0].lower()}{reason[1:]}, got {error['input']!r}"

"""Finds a trainable by its dotted name and builds its configuration, refusing every name and type it does not know."""

import dataclasses
import importlib
import importlib.util
import json
import pkgutil
import sys
import typing
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import TypeAdapter, ValidationError

from hpo.raised import in_one_line
from hpo.spelling import did_you_mean, nearest
from hpo.value_faults import by_field, in_words
from train_fn.importing import uncollected
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
        with uncollected():
            module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        near = _nearest_module(module_name, here)
        way_out = f"did you mean {near}:{name}?" if near else f"check the spelling of {dotted!r}"
        raise ValueError(f"no module {error.name!r} to be found from {here}; {way_out}") from None
    except (Exception, SystemExit) as error:  # it is a person's code, which may do anything
        raise ValueError(f"importing {module_name!r} failed: {in_one_line(error)}") from None
    if not hasattr(module, name):
        functions = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise ValueError(f"module {module_name!r} has no {name!r}{did_you_mean(name, functions)}")
    return getattr(module, name)


@contextmanager
def asked(trainable: Trainable, function: str) -> Iterator[None]:
    """Around a function of a person's module: whatever it raises is a ValueError of one line, but for the disk's."""
    try:
        yield
    except (ValueError, OSError):
        raise
    except Exception as error:
        raise ValueError(f"`{function}` of {trainable.__module__} failed: {in_one_line(error)}") from error


def _nearest_module(module_name: str, here: str) -> str:
    """The module whose every part is near what was written; "" where there is none."""
    found, folders = "", [here]
    for part in module_name.split("."):
        names = [one.name for one in pkgutil.iter_modules(folders)] + ([] if found else ["train_fn"])
        near = nearest(part, names)
        if not near:
            return ""
        found = f"{found}.{near}" if found else near
        spec = importlib.util.find_spec(found)
        folders = list(spec.submodule_search_locations or []) if spec else []
    return found


def module_of(trainable: Trainable) -> ModuleType:
    """The trainable's module, which may also define `check(config)`, `prepare(config)`, `test(config, checkpoint)`."""
    return sys.modules[trainable.__module__]


def config_class(trainable: Trainable) -> type[Any]:
    """The frozen dataclass that annotates `config`: it tells which names exist. ValueError where there is none."""
    name = getattr(trainable, "__qualname__", repr(trainable))
    try:
        annotation: typing.Any = typing.get_type_hints(trainable).get("config")
    except Exception as error:  # an annotation may be any expression
        raise ValueError(f"`{name}` must be a function with readable annotations, got {in_one_line(error)}") from None
    if not (isinstance(annotation, type) and dataclasses.is_dataclass(annotation)):
        raise ValueError(f"`{name}(config: C, resume_from=None)` must annotate config by a dataclass, got {annotation}")
    try:
        _adapter(annotation)
    except Exception as error:
        raise ValueError(
            f"{annotation.__name__} has a field of a type that YAML cannot give: {in_one_line(error)}"
        ) from None
    return typing.cast(type[Any], annotation)


def build_config(cls: type[Any], values: Mapping[str, Any]) -> Any:
    """Nested plain values to the frozen dataclass, without casts; ConfigError names field, rule and way out."""
    _check_names(cls, values, ())
    try:
        # strict JSON mode: a list may become a tuple and a dict a dataclass, but "5" never becomes 5
        return _adapter(typing.cast(Any, cls)).validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        key, several = next(by_field(error, values))
        reason = in_words(several)
        raise ConfigError(_named(key, reason), reason) from None
    except Exception as error:  # a rule of a person's own dataclass
        raise ConfigError((), f"{cls.__name__} cannot be built: {in_one_line(error)}") from None


def check_config(trainable: Trainable, config: Any) -> None:
    """Let the trainable's module say what does not fit together; ConfigError names the field that it names."""
    check = getattr(module_of(trainable), "check", None)
    if check is None:
        return
    try:
        with asked(trainable, "check"):
            check(config)
    except ValueError as error:
        raise ConfigError(_named((), str(error)), str(error)) from None


def resolved(fixed: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """The fixed settings with a trial's parameters laid over; `data.max_train_rows` reaches into a group."""
    config: dict[str, Any] = json.loads(json.dumps(fixed))
    for name, value in params.items():
        *groups, leaf = name.split(".")
        place = config
        for group in groups:
            place = place.setdefault(group, {})
            if not isinstance(place, dict):
                raise ConfigError((name,), f"`{group}` is no group of settings, but {place!r}; drop one of the two")
        place[leaf] = value
    return config


@lru_cache
def _adapter(cls: Any) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


def _check_names(cls: type[Any], values: Mapping[str, Any], key: tuple[str, ...]) -> None:
    fields = {field.name: field for field in dataclasses.fields(cls)}
    types = typing.get_type_hints(cls)
    groups = {name: of for name, of in types.items() if isinstance(of, type) and dataclasses.is_dataclass(of)}
    for name, value in values.items():
        if name not in fields:
            inner = [f"{group}.{field.name}" for group, of in groups.items() for field in dataclasses.fields(of)]
            raise ConfigError((*key, name), f"is no field of {cls.__name__}{did_you_mean(name, fields, inner)}")
        if name in groups and isinstance(value, Mapping):
            _check_names(groups[name], value, (*key, name))
    for name, field in fields.items():
        needed = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if needed and name not in values:
            raise ConfigError((*key, name), f"is missing; {cls.__name__} needs it")


def _named(key: tuple[str | int, ...], reason: str) -> tuple[str | int, ...]:
    """A rule of a dataclass begins with its field in backticks; pydantic tells only the group it is in."""
    return (*key, reason[1:].partition("`")[0]) if reason.startswith("`") else key

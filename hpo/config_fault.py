"""What a trainable finds wrong with its data or model before the start, told by the line of the study file."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from hpo.errors import UsageError
from hpo.study import Study
from hpo.trainable import config_class
from hpo.yaml_source import Key, Source

FIELD = re.compile(r"(?:[^`]*: )?`(\w+)`")  # that a rule begins with, or has behind the file that it is about
GROUP = "data"


class ConfigFault(UsageError):
    def __init__(self, study: Study, error: ValueError) -> None:
        self.reason = str(error)
        super().__init__(f"{study.study}: {self.reason}")
        self.key = key_of(study, self.reason)


@contextmanager
def placed(file: Path | None, text: str | None = None, overrides: list[str] | None = None) -> Iterator[None]:
    """`reviews.yaml:7:9: config.data.label: ...` in place of the study's name, where there is a file."""
    try:
        yield
    except ConfigFault as fault:
        if file is None:
            raise
        source = Source(file, text)
        for setting in overrides or []:
            source.override(setting)
        raise source.error(fault.key, fault.reason) from None


def key_of(study: Study, reason: str) -> Key:
    """The setting that a fault begins with or whose file it is about; else the group of the data, or the trainable."""
    settings = {field.name: field for field in fields(config_class(study.load_trainable()))}
    data = study.config.get(GROUP)
    group: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
    named = FIELD.match(reason)
    if named and named[1] in settings:
        return place_of(study, named[1])
    if named and (named[1] in group or f"{GROUP}.{named[1]}" in study.search_space):
        return place_of(study, GROUP, named[1])
    for name, value in group.items():
        if isinstance(value, str) and is_file(reason.partition(": ")[0], value):
            return place_of(study, GROUP, name)
    return ("config", GROUP) if GROUP in settings else ("trainable",)


def is_file(told: str, written: str) -> bool:
    """Whether the file that is told of is the one in the study file, perhaps by its whole path."""
    return Path(told) == Path(written) or told.endswith(f"/{Path(written)}")


def place_of(study: Study, *names: str) -> Key:
    name = ".".join(names)
    return ("search_space", name) if name in study.search_space else ("config", *names)

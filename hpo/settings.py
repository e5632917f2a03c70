"""Checks the settings that a study file gives to a searcher or a scheduler against what its class takes."""

import inspect
from collections.abc import Collection, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from hpo.spelling import did_you_mean


def check_settings(name: str, cls: Any, settings: Mapping[str, Any], given: Collection[str]) -> None:
    """ValueError on a name that `cls` does not take, or that hpo itself gives, and on a value of another type."""
    takes = {key: of for key, of in inspect.signature(cls, eval_str=True).parameters.items() if key not in given}
    for setting, value in settings.items():
        if setting not in takes:
            raise ValueError(f"{setting!r} is no setting of {name}{did_you_mean(setting, takes)}")
        annotation = takes[setting].annotation
        if annotation is not inspect.Parameter.empty:
            try:
                TypeAdapter(annotation).validate_python(value, strict=True)
            except ValidationError as error:
                reason = str(error.errors()[0]["msg"]).removeprefix("Input ")
                raise ValueError(f"`{setting}` of {name} {reason}, got {value!r}") from None

"""Reads a study from its YAML file, and refuses it with the place of its first fault before anything is started."""

from collections.abc import Iterator
from dataclasses import fields
from itertools import islice
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from hpo.paths import check_name
from hpo.redaction import secrets_in
from hpo.spelling import did_you_mean
from hpo.study import Study
from hpo.study_checks import CHECKS, of_tracking, of_warm_start
from hpo.trainable import config_class, resolve
from hpo.value_faults import by_field, in_words
from hpo.yaml_source import Fault, Key, Source

MOST_FAULTS = 50  # that one error counts


def load_study(
    path: Path,
    overrides: list[str] | None = None,
    name: str | None = None,
    text: str | None = None,
    begun: bool = False,
) -> Study:
    """Read, override, check: every name, type, range and condition, and the config at the ends of each range.

    `text`, where it is given, is what the file holds. A study that has begun looks at no other study again: what it
    took over stands in its ledger. UsageError where there is any fault.
    """
    source = Source(path, text)
    if not isinstance(source.data, dict):
        raise source.error((), "a study file is a mapping that begins with `study: NAME`")
    for setting in overrides or []:
        source.override(setting)
    if name is not None:
        source.data["study"] = check_name(name)
    if faults := list(_secrets(source.data)):
        raise source.refusal(faults)
    try:
        study = Study.model_validate(source.data)
    except ValidationError as error:
        raise source.refusal(_of_keys(error, source.data)) from None
    for check in CHECKS if begun else (*CHECKS, of_tracking, of_warm_start):
        if faults := list(check(study)):
            raise source.refusal(faults)
    return study


def _secrets(data: Any) -> Iterator[Fault]:
    """What is in the file is kept in the ledger, and a study cannot be resumed from a spec with holes."""
    for key in secrets_in(data):
        yield (
            key,
            "must be no key, token or password: a study's settings are stored and shown; let the trainable read it "
            "from a variable of the environment; docs/security.md says how",
        )


def _of_keys(error: ValidationError, data: Any) -> list[Fault]:
    """A misspelt key is told once, and not also as the missing one of its group that it may be meant to be."""
    faults, misspelt, missing = [], [], []
    for key, several in islice(by_field(error, data), MOST_FAULTS):
        if several[0]["type"] == "extra_forbidden":
            elsewhere = _one_group_down(data) if len(key) == 1 else []
            misspelt.append((key, f"is no key here{did_you_mean(str(key[-1]), _names(Study, key[:-1]), elsewhere)}"))
        elif several[0]["type"] == "missing":
            missing.append((key, "is missing; docs/studies.md has an example"))
        else:
            faults.append((key, in_words(several)))
    groups = {key[:-1] for key, _ in misspelt}
    return [*faults, *misspelt, *(one for one in missing if one[0][:-1] not in groups)]


def _names(annotation: Any, key: Key) -> list[str]:
    """The keys that a group may have, by the types of the fields that lead there."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        known = annotation.model_fields
        if not key:
            return list(known)
        return _names(known[str(key[0])].annotation, key[1:]) if key[0] in known else []
    inner = get_args(annotation)
    if get_origin(annotation) in (dict, list):
        return _names(inner[-1], key[1:]) if key else []
    return next((names for one in inner if (names := _names(one, key))), [])


def _one_group_down(data: dict[str, Any]) -> list[str]:
    """`search.trials`, `config.learning_rate`: where a key belongs that stands at the outermost level."""
    names = [f"{group}.{name}" for group in Study.model_fields for name in _names(Study, (group,))]
    try:
        names += [f"config.{field.name}" for field in fields(config_class(resolve(str(data.get("trainable")))))]
    except ValueError:
        pass  # told as soon as the keys are right
    return names

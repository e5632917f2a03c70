"""What has changed since a study began: its file, its code, its data, and the libraries that its results rest on.

Trials on either side of a change cannot be compared, so a study is resumed only if nothing has, or if the person says
that it does not matter. What the machine gives may change: no result rests on it.
"""

import hashlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hpo.domains import contains
from hpo.environment import LIBRARIES, describe
from hpo.errors import UsageError
from hpo.history import History
from hpo.preparation import prepare
from hpo.space import Space
from hpo.study import Study, restored_study
from hpo.trainable import module_of

OF_THE_MACHINE = (
    "disk",
    "ray",
    "resources",
    "tracking",
    "workers",
)  # groups of the study file that a resumed study may change
MOST_NAMED = 5  # differences in the error


def record_of(study: Study, text: str) -> dict[str, Any]:
    """What a study began with, as its ledger keeps it; its data is prepared on the way."""
    return {
        "spec": study.model_dump(exclude_none=True, exclude_unset=True),
        "text": text,
        "data": prepare(study),
        "code": code_of(study),
        "environment": describe(),
    }


def code_of(study: Study) -> dict[str, str]:
    """Digest of each source file of the trainable's package, or of the one file where it is in no package."""
    module = module_of(study.load_trainable())
    package = sys.modules[module.__name__.partition(".")[0]]
    if not module.__file__ or not package.__file__:
        return {}
    folder = Path(package.__file__).parent
    files = folder.rglob("*.py") if hasattr(package, "__path__") else [Path(module.__file__)]
    return {
        path.relative_to(folder.parent).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for path in sorted(files)
    }


def differences(record: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Between two records, each in words."""
    then, spec = _settings(record), _settings(now)
    found = [
        f"{key} was {then.get(key, 'not set')}, is {spec.get(key, 'not set')}"
        for key in sorted(then.keys() | spec.keys())
        if then.get(key) != spec.get(key)
    ]
    before, after = record["data"].get("fingerprint"), now["data"].get("fingerprint")
    if before != after:
        found.append(f"the fingerprint of the data was {before}, is {after}")
    code, new = record["code"], now["code"]
    found += [f"{path} has changed" for path in sorted(code.keys() | new.keys()) if code.get(path) != new.get(path)]
    had, has = record["environment"], now["environment"]
    return found + [f"{name} was {had[name]}, is {has[name]}" for name in LIBRARIES if had.get(name) != has.get(name)]


def refuse(study: str, found: list[str]) -> None:
    if found:
        more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
        raise UsageError(
            f"study {study} is not what it began as: {'; '.join(found[:MOST_NAMED])}{more}; bring it back, begin a new "
            "study with --name, or go on all the same with --allow-changed"
        )


def refuse_what_cannot_change(then: Study, now: Study, history: History) -> None:
    """What the decisions that were taken, and the trials that were tried, still have to make sense under."""
    anew = "begin a new study with --name"
    for key in ("objective", "objectives", "search.scheduler", "search.warm_start", "config.max_epochs"):
        before, after = (_flat(study.model_dump(exclude_none=True)) for study in (then, now))
        if changed := [name for name in before.keys() | after.keys() if (name + ".").startswith(key + ".")]:
            if any(before.get(name) != after.get(name) for name in changed):
                raise UsageError(f"{key} cannot change within a study: past decisions were taken by it; {anew}")
    for trial in history.trials:
        if (name := _outside(now.space, trial.params)) is not None:
            raise UsageError(
                f"trial {trial.number} has {name} = {trial.params.get(name, 'not set')}, which search_space no longer "
                f"allows; widen it, or {anew}"
            )


def _outside(space: Space, params: Mapping[str, Any]) -> str | None:
    """A parameter that the space would not give this value."""
    due = [name for name in space.order if space[name].applies(params)]
    odd = set(due).symmetric_difference(params)
    odd |= {name for name in due if name in params and not contains(space[name].domain, params[name])}
    return min(odd, default=None)


def _settings(record: Mapping[str, Any]) -> dict[str, Any]:
    """Those that results rest on, defaults included, so that a default that is written out is no change."""
    spec = restored_study(dict(record)).model_dump(exclude_none=True)
    return _flat({key: value for key, value in spec.items() if key not in OF_THE_MACHINE})


def _flat(group: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    return dict(_leaves(group, prefix))


def _leaves(group: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in group.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value

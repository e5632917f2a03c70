"""What is looked at before the start: the machine, and the data and model by the trainable's own `prepare`."""

import dataclasses
import os
from pathlib import Path
from typing import Any

from hpo.errors import UsageError
from hpo.history import History
from hpo.space import corners
from hpo.study_file import Study
from hpo.trainable import module_of


def refuse_missing_cpus(study: Study) -> None:
    """GPUs are counted by Ray, when it is there."""
    wanted, there = study.resources.cpu, os.cpu_count() or 1
    if wanted > there:
        raise UsageError(
            f"a trial is to have {wanted} CPUs, but this machine has {there}; try --set resources.cpu={there}"
        )


def prepare(study: Study) -> dict[str, Any]:
    """Let the trainable look at data and model before anything is started; what it found, as plain values."""
    trainable = study.load_trainable()
    look = getattr(module_of(trainable), "prepare", None)
    if look is None:
        return {}
    try:
        # each choice of a model, a data set or a precision may have faults of its own
        found, *_ = [look(study.trial_config(params)) for params in corners(study.space)]
    except ValueError as error:
        raise UsageError(f"{study.study}: {error}") from None
    if not dataclasses.is_dataclass(found) or isinstance(found, type):
        raise UsageError(f"{study.trainable}: its module's `prepare` must return a dataclass, got {found!r}")
    return {name: str(value) if isinstance(value, Path) else value for name, value in dataclasses.asdict(found).items()}


def refuse_other_data(study: Study, history: History) -> None:
    """Trials on other rows cannot be compared with those there are."""
    before = history.record["data"].get("fingerprint")
    now = prepare(study).get("fingerprint")
    if now != before:
        raise UsageError(
            f"the data of study {study.study} has changed (fingerprint {before} when it began, {now} now); "
            "bring the old data back, or start a new study with --name"
        )

"""What is looked at before the start: machine and disk, and the data and model by the trainable's own `prepare`."""

import dataclasses
import os
from pathlib import Path
from typing import Any

from hpo.config_fault import ConfigFault
from hpo.disk import Room, room
from hpo.errors import UsageError
from hpo.history import History
from hpo.machine import gpus
from hpo.packing import at_once, cores_of_trial, gpus_of_trial
from hpo.paths import StudyPaths
from hpo.space import corners
from hpo.study import Study
from hpo.trainable import asked, module_of


def refuse_missing_devices(study: Study) -> None:
    """Before the seconds that Ray takes to start; what a cluster has, only the cluster knows."""
    if study.ray.is_cluster:
        return
    wanted: dict[str, tuple[float, int]] = {
        "cpu": (cores_of_trial(study.resources), os.cpu_count() or 1),
        "gpu": (gpus_of_trial(study.resources, gpus()), gpus()),
    }
    for device, (of_trial, there) in wanted.items():
        if of_trial > there:
            raise UsageError(
                f"a trial is to have {of_trial:g} {device.upper()}s, but this machine has {there}; "
                f"try --set resources.{device}={there}"
            )


def refuse_several_machines(study: Study) -> None:
    """Where all trials train in this process."""
    if study.resources.nodes > 1:
        raise UsageError(
            f"a trial is to have {study.resources.nodes} machines, but --in-process trains on this one alone; "
            "leave it out, or try --set resources.nodes=1"
        )


def room_for_checkpoints(study: Study, paths: StudyPaths, side_by_side: int | None = None) -> Room:
    """Of so many trials at once, or as many as there are whole devices, which is what is known before measuring."""
    scheduler = study.build_scheduler()
    return room(
        study.study,
        paths.trials,
        study.disk.model_copy(update={"keep": study.keep}),
        trials=study.search.trials,
        at_once=side_by_side or at_once(study.resources, os.cpu_count() or 1, gpus()),
        pausing=getattr(scheduler, "needs_checkpoints", False),
    )


def checkpoint_bytes(study: Study) -> int | None:
    """Of the largest configuration, where the trainable's module can tell before the start."""
    trainable = study.load_trainable()
    told = getattr(module_of(trainable), "checkpoint_bytes", None)
    if told is None:
        return None
    try:
        with asked(trainable, "checkpoint_bytes"):
            sizes = [told(study.trial_config(params)) for params in corners(study.space)]
    except ValueError as error:
        raise ConfigFault(study, error) from None
    return max((size for size in sizes if size is not None), default=None)


def disk_line(study: Study, paths: StudyPaths) -> str:
    """What the checkpoints will take, as a forecast."""
    if study.ray.storage:
        return f"checkpoints lie in {study.ray.storage} until the study is over"
    return room_for_checkpoints(study, paths).line(checkpoint_bytes(study))


def refuse_full_disk(study: Study, paths: StudyPaths) -> None:
    if study.ray.storage is None and (largest := checkpoint_bytes(study)):
        room_for_checkpoints(study, paths).refuse(largest)


def prepare(study: Study) -> dict[str, Any]:
    """Let the trainable look at data and model before anything is started; what it found, as plain values."""
    trainable = study.load_trainable()
    look = getattr(module_of(trainable), "prepare", None)
    if look is None:
        return {}
    try:
        # each choice of a model, a data set or a precision may have faults of its own
        with asked(trainable, "prepare"):
            found, *_ = [look(study.trial_config(params)) for params in corners(study.space)]
    except ValueError as error:
        raise ConfigFault(study, error) from None
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

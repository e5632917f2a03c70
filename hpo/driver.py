"""One process that runs one study from its file, or from its ledger, to its end."""

import dataclasses
import shutil
import sys
import uuid
from pathlib import Path
from typing import Any

from hpo.environment import describe
from hpo.errors import HpoError, Resumable, StudyFailed, UsageError
from hpo.history import History, State
from hpo.ledger import Ledger, study_lock
from hpo.paths import StudyPaths
from hpo.study_file import Study, restored_study
from hpo.trainable import module_of

# half of the trials failing is no longer bad luck
MOST_FAILED = 0.5


def start(study: Study, text: str, in_process: bool = False) -> History:
    """A new study: its data is prepared and checked first, so that a fault in it leaves nothing behind."""
    paths = StudyPaths.of(study.study)
    if paths.root.exists():
        raise UsageError(
            f"study {study.study} exists in {paths.root}; go on with `hpo resume {study.study}`, "
            "or take another name with --name"
        )
    data = prepare(study)
    paths.root.mkdir(parents=True, mode=0o700)
    try:
        ledger = Ledger(paths.ledger, create=True)
        ledger.append(
            "study",
            study_id=uuid.uuid4().hex,
            spec=study.model_dump(exclude_none=True, exclude_unset=True),
            text=text,
            data=data,
            environment=describe(),
        )
        ledger.close()
    except BaseException:
        shutil.rmtree(paths.root, ignore_errors=True)
        raise
    return drive(study, paths, in_process)


def resume(name: str, in_process: bool = False) -> History:
    """Go on where the ledger ends; nothing that ended runs again."""
    paths = StudyPaths.of(name)
    ledger = Ledger(paths.ledger)
    [record, *_] = ledger.events()
    ledger.close()
    return drive(restored_study(record.payload["spec"]), paths, in_process)


def catch_up(name: str) -> None:
    """Project what MLflow has not yet seen of a study; HpoError where it cannot be reached."""
    from hpo.tracking.mlflow import Projection, tracking_uri

    paths = StudyPaths.of(name)
    Ledger(paths.ledger).close()
    projection = Projection(paths, tracking_uri())
    with study_lock(paths):
        projection.start()
        if behind := projection.finish():
            raise HpoError(f"MLflow at {tracking_uri()} cannot be written: {behind}; is its server up?")


def drive(study: Study, paths: StudyPaths, in_process: bool) -> History:
    from hpo.engine import Engine
    from hpo.tracking.log_file import chatter_to
    from hpo.tracking.mlflow import Projection, tracking_uri
    from hpo.tracking.terminal import Terminal

    with study_lock(paths), chatter_to(paths.log) as screen, Terminal(study, screen) as terminal:
        ledger = Ledger(paths.ledger)
        for event in ledger.events():
            terminal.history.apply(event)
        engine = Engine(study, paths, ledger, tell=terminal.tell)
        projection = Projection(paths, tracking_uri())
        projection.start()
        try:
            if not engine.history.finished:
                _execute(engine, in_process)
                engine.finish()
        finally:
            behind = projection.finish()
            ledger.close()
    if behind:
        print(f"warning: MLflow is behind ({behind}); `hpo sync {study.study}` catches up", file=sys.stderr)
    return _outcome(study, engine.history)


def prepare(study: Study) -> dict[str, Any]:
    """Let the trainable look at data and model before anything is started; what it found, as plain values."""
    trainable = study.load_trainable()
    look = getattr(module_of(trainable), "prepare", None)
    if look is None:
        return {}
    try:
        found = look(study.first_config())
    except ValueError as error:
        raise UsageError(f"{study.study}: {error}") from None
    return {name: str(value) if isinstance(value, Path) else value for name, value in dataclasses.asdict(found).items()}


def _execute(engine: Any, in_process: bool) -> None:
    if in_process:
        from hpo.executors.in_process import execute
    else:
        from hpo.executors.ray_tune import execute
    execute(engine)


def _outcome(study: Study, history: History) -> History:
    """StudyFailed where more trials failed than can be bad luck; Resumable where the executor stopped early."""
    if not history.finished:
        raise Resumable(f"study {study.study} stopped before its end; `hpo resume {study.study}` goes on")
    failed = [trial for trial in history.trials if trial.state is State.FAILED]
    if len(failed) > MOST_FAILED * len(history.trials):
        raise StudyFailed(
            f"{len(failed)} of {len(history.trials)} trials of {study.study} failed, the first: {failed[0].reason}; "
            f"details are in {StudyPaths.of(study.study).log}"
        )
    return history

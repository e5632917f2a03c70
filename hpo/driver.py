"""One process that runs one study from its file, or from its ledger, to its end."""

import signal
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from hpo.environment import describe
from hpo.errors import HpoError, Resumable, StudyFailed, UsageError
from hpo.history import History, State, fold
from hpo.ledger import Ledger, study_lock
from hpo.paths import StudyPaths
from hpo.preparation import prepare, refuse_missing_cpus, refuse_other_data
from hpo.study_file import Study, refuse_lost_trainable, restored_study
from hpo.tracking.log_file import chatter_to

# half of the trials failing is no longer bad luck
MOST_FAILED = 0.5


def start(study: Study, text: str, in_process: bool = False) -> History:
    """A new study: its data is prepared and checked first, so that a fault in it leaves nothing behind."""
    paths = StudyPaths.of(study.study)
    exists = UsageError(
        f"study {study.study} exists in {paths.root}; go on with `hpo resume {study.study}`, "
        "or take another name with --name"
    )
    if paths.root.exists():
        raise exists
    refuse_missing_cpus(study)
    record: dict[str, Any] = {
        "study_id": uuid.uuid4().hex,
        "spec": study.model_dump(exclude_none=True, exclude_unset=True),
        "text": text,
        "data": prepare(study),
        "environment": describe(),
    }
    paths.root.parent.mkdir(parents=True, exist_ok=True)
    # the folder gets its name only when the record is in it: a study is there whole or not at all
    with tempfile.TemporaryDirectory(prefix=f".{study.study}.", dir=paths.root.parent) as folder:
        unnamed = StudyPaths(Path(folder) / study.study)
        unnamed.root.mkdir(mode=0o700)
        ledger = Ledger(unnamed.ledger, create=True)
        ledger.append("study", **record)
        ledger.close()
        try:
            unnamed.root.rename(paths.root)
        except OSError:  # another driver was quicker
            raise exists from None
    return drive(study, paths, in_process)


def resume(name: str, in_process: bool = False) -> History:
    """Go on where the ledger ends, on the same data; nothing that ended runs again."""
    paths = StudyPaths.of(name)
    with closing(Ledger(paths.ledger)) as ledger:
        history = fold(ledger.events())
    study = restored_study(history.record["spec"])
    refuse_lost_trainable(study)
    if not history.finished:
        refuse_other_data(study, history)
    return drive(study, paths, in_process)


def catch_up(name: str) -> None:
    """Project what MLflow has not yet seen of a study; HpoError where it cannot be reached."""
    from hpo.tracking.mlflow import Projection, tracking_uri

    paths = StudyPaths.of(name)
    Ledger(paths.ledger).close()
    with study_lock(paths), chatter_to(paths.log):
        projection = Projection(paths, tracking_uri())
        projection.start()
        behind = projection.finish()
    if behind:
        raise HpoError(f"MLflow at {tracking_uri()} cannot be written: {behind}; is its server up?")


def drive(study: Study, paths: StudyPaths, in_process: bool) -> History:
    from hpo.engine import Engine
    from hpo.tracking.mlflow import Projection, tracking_uri
    from hpo.tracking.terminal import Terminal

    with study_lock(paths), sigterm_as_interrupt() as terminated, chatter_to(paths.log) as screen:
        with closing(Ledger(paths.ledger)) as ledger, Terminal(study, screen, fold(ledger.events())) as terminal:
            engine = Engine(study, paths, ledger, tell=terminal.tell)
            projection = Projection(paths, tracking_uri())
            projection.start()
            try:
                if not engine.history.finished:
                    _execute(engine, in_process)
                    engine.finish()
            except KeyboardInterrupt:
                if terminated:
                    raise Resumable(
                        f"study {study.study} was told to stop; `hpo resume {study.study}` goes on"
                    ) from None
                raise
            finally:
                behind = projection.finish()
    if behind:
        print(f"warning: MLflow is behind ({behind}); `hpo sync {study.study}` catches up", file=sys.stderr)
    return _outcome(study, engine.history)


@contextmanager
def sigterm_as_interrupt() -> Iterator[list[int]]:
    """SIGTERM ends the study in the same order as Ctrl-C; the list holds the signal once it has come."""
    came: list[int] = []

    def interrupt(number: int, _frame: object) -> None:
        came.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield came
    finally:
        signal.signal(signal.SIGTERM, before)


def _execute(engine: Any, in_process: bool) -> None:
    if in_process:
        from hpo.executors.in_process import execute
    else:
        from hpo.executors.ray_tune import execute
    execute(engine)


def _outcome(study: Study, history: History) -> History:
    """StudyFailed where there is no winner, or more trials failed than can be bad luck; Resumable short of the end."""
    if not history.finished:
        raise Resumable(f"study {study.study} stopped before its end; `hpo resume {study.study}` goes on")
    without = [trial for trial in history.trials if trial.state in (State.FAILED, State.DIVERGED)]
    failed = [trial for trial in without if trial.state is State.FAILED]
    if history.winner(study.objective) is None or len(failed) > MOST_FAILED * len(history.trials):
        raise StudyFailed(
            f"{len(without)} of {len(history.trials)} trials of {study.study} failed or diverged, "
            f"the first: {without[0].reason}; details are in {StudyPaths.of(study.study).log}"
        )
    return history

"""One process that runs one study from its file, or from its ledger, to its end."""

import json
import math
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TextIO

import hpo.executors.ray_settings  # noqa: F401
from hpo import changes, checking
from hpo.changes import OF_THE_MACHINE, record_of
from hpo.config_fault import placed
from hpo.disk_faults import disk_error, fault, in_words, naming_disk
from hpo.errors import DiskError, HpoError, Resumable, StudyFailed, UsageError
from hpo.event import Event
from hpo.executors.ray_session import clear, refuse_open_ray
from hpo.forecast import expected
from hpo.history import History, State, fold
from hpo.language import of_terminal
from hpo.ledger import Ledger
from hpo.machine import gpus
from hpo.packing import forecast
from hpo.paths import StudyPaths
from hpo.preparation import disk_line, refuse_full_disk, refuse_missing_devices, refuse_several_machines
from hpo.processes import mark
from hpo.space_lint import lint
from hpo.stopping import GRACE, Stop, stoppable
from hpo.storage import naming_storage
from hpo.study import Study, restored_study
from hpo.study_checks import refuse_lost_trainable
from hpo.study_file import load_study
from hpo.study_lock import study_lock
from hpo.tracking import views
from hpo.tracking.log_file import chatter_to
from hpo.tracking.mlflow import tracking_uri
from hpo.tracking.mlflow_database import file_of
from hpo.tracking.projection import GoOn
from hpo.warm_start import take_over
from hpo.wording import count
from train_fn.checkpoint import make_durable_folder, sync
from train_fn.importing import uncollected

# half of the trials failing is no longer bad luck
MOST_FAILED = 0.5
SECONDS_OF_SILENCE = 3.0  # while the views catch up; most studies need less
KEYS = "Ctrl-C stops it after the reports under way, to be resumed"


def start(
    study: Study, text: str, in_process: bool = False, file: Path | None = None, overrides: list[str] | None = None
) -> History:
    """A new study: its data is prepared and checked first, so that a fault in it leaves nothing behind.

    `file`, where there is one, holds `text`; it is read again with the `overrides` when the study is resumed.
    """
    paths = StudyPaths.of(study.study)
    exists = UsageError(
        f"study {study.study} exists in {paths.root}; go on with `hpo resume {study.study}`, "
        "or take another name with --name"
    )
    if paths.root.exists():
        raise exists
    if in_process:
        refuse_several_machines(study)
    refuse_missing_devices(study)
    refuse_open_ray()
    record: dict[str, Any] = {
        "study_id": uuid.uuid4().hex,
        "file": str(file.absolute()) if file else None,
        "overrides": overrides or [],
        **record_of(study, text),
        "warm_start": take_over(study),
    }
    refuse_full_disk(study, paths)
    try:
        _found(paths, record)
    except FileExistsError:  # another driver was quicker
        raise exists from None
    except (DiskError, OSError) as error:
        again = f"`hpo resume {study.study}`" if paths.root.exists() else "run it again"
        raise disk_error(paths.root, fault(error) or str(error), again) from error
    language = of_terminal()
    for line in [*(f"warning: {line}" for line in lint(study)), *checking.brief(record["data"])]:
        print(language.retell(line))
    print(language.retell(f"disk: {disk_line(study, paths)}"))
    if not in_process and (packing := forecast(study.resources, gpus())):
        print(language.retell(f"packing: {packing}"))
    if cost := expected(study, record["data"]):
        print(language.say("cost: {forecast}", forecast=cost.line(language)))
    return drive(study, paths, in_process)


def _found(paths: StudyPaths, record: dict[str, Any]) -> None:
    """The folder gets its name only when the record is in it: a study is there whole or not at all."""
    make_durable_folder(paths.root.parent)
    with tempfile.TemporaryDirectory(prefix=f".{paths.root.name}.", dir=paths.root.parent) as folder:
        unnamed = StudyPaths(Path(folder) / paths.root.name)
        unnamed.root.mkdir(mode=0o700)
        ledger = Ledger(unnamed.ledger, create=True)
        ledger.append("study", **record)
        ledger.close()
        sync(unnamed.root)
        try:
            unnamed.root.rename(paths.root)
        except OSError:
            if paths.root.exists():
                raise FileExistsError from None
            raise
        sync(paths.root.parent)


def resume(
    name: str,
    in_process: bool = False,
    overrides: list[str] | None = None,
    file: Path | None = None,
    allow_changed: bool = False,
) -> History:
    """Go on where the ledger ends; nothing that ended runs again, and a finished study is left as it is.

    The study file is read again, `file` or the one that the study began with, if it is still there. UsageError where
    it, the code, the data or a library has changed, unless that is allowed. `overrides` are of the machine.
    """
    paths = StudyPaths.of(name)
    with closing(Ledger(paths.ledger)) as ledger:
        history = fold(ledger.events())
    study = restored_study(history.record)
    if history.finished and not allow_changed:
        return drive(study, paths, in_process)
    began = history.record
    file = file or (Path(began["file"]) if began.get("file") and Path(began["file"]).exists() else None)
    now = load_study(file, began["overrides"], name, begun=True) if file else study
    refuse_lost_trainable(now)
    refuse_open_ray()
    with placed(file, overrides=began["overrides"]):
        record = record_of(now, file.read_text(encoding="utf-8-sig") if file else began["text"])
    found = changes.differences(began, record)
    changed = None
    if allow_changed:
        changes.refuse_what_cannot_change(study, now, history)
        if found or len(history.ended) < now.search.trials:
            changed = {**record, "differences": found}
    else:
        changes.refuse(name, found)
    now = on_another_machine(now, overrides or [])
    if in_process:
        refuse_several_machines(now)
    return drive(now, paths, in_process, changed)


def on_another_machine(study: Study, overrides: list[str]) -> Study:
    """The study with other settings of what it runs on; UsageError for any that its results depend on."""
    for setting in overrides:
        if setting.partition(".")[0] not in OF_THE_MACHINE:
            raise UsageError(
                f"--set {setting}: a study that has begun keeps all but {', '.join(OF_THE_MACHINE)}; "
                "start another with --name"
            )
    if not overrides:
        return study
    spec = study.model_dump(exclude_none=True, exclude_unset=True)
    return load_study(StudyPaths.of(study.study).ledger, overrides, text=json.dumps(spec), begun=True)


def catch_up(name: str) -> None:
    """Project what MLflow has not yet seen of a study; HpoError where it cannot be reached."""
    paths = StudyPaths.of(name)
    with closing(Ledger(paths.ledger)) as ledger:
        study = restored_study(fold(ledger.events()).record)  # a fault of the ledger is none of MLflow's
    with study_lock(paths), chatter_to(paths.log):
        behind = views.follow(paths, views.chosen(study))()
    if behind[views.MLFLOW]:
        raise HpoError(f"MLflow at {tracking_uri()} cannot be written: {behind[views.MLFLOW]}; is its server up?")
    _warn_of(behind, name)


def _warn_of(behind: dict[str, str], study: str) -> None:
    """A view that could not be written to its end."""
    said = "warning: {view} is behind ({behind}); `hpo sync {study}` catches up"
    for view, why in behind.items():
        if why:
            print(of_terminal().say(said, view=view, behind=why, study=study), file=sys.stderr)


def drive(study: Study, paths: StudyPaths, in_process: bool, changed: dict[str, Any] | None = None) -> History:
    """Run the study to its end, under its lock; `changed` is what it goes on with from here."""
    from hpo.engine import Engine

    mark(paths.root)
    way_out = f"`hpo resume {study.study}`"
    full, unreached = naming_disk(paths.root, way_out), naming_storage(way_out)
    with full, unreached, study_lock(paths), stoppable() as stop, chatter_to(paths.log) as screen:
        clear(paths.root)
        with closing(Ledger(paths.ledger)) as ledger, _terminal(study, ledger.events(), screen) as terminal:
            if changed is not None:
                terminal.tell(ledger.append("changed", **changed))
            engine = Engine(study, paths, ledger, tell=terminal.tell, stop=stop)
            stopping = of_terminal().say(
                "stopping: reports under way have {seconds:g} s; once more: at once", seconds=GRACE
            )
            stop.heard = lambda: terminal.say(stopping)
            follow = views.follow if in_process else views.follow_apart
            finish = follow(paths, views.chosen(study))
            try:
                if not engine.history.finished:
                    _execute(engine, in_process)
                if stop.asked and not engine.history.finished:
                    raise KeyboardInterrupt
            except KeyboardInterrupt:
                if stop.terminated:
                    raise Resumable(
                        f"study {study.study} was told to stop; `hpo resume {study.study}` goes on"
                    ) from None
                raise
            finally:
                behind = finish(patience(study.study, stop, terminal.say))
    _warn_of(behind, study.study)
    history = _outcome(study, engine.history)
    if (said := in_words(behind[views.MLFLOW])) and (file := file_of(tracking_uri())):  # a server's disk is not ours
        raise disk_error(file, said, f"`hpo sync {study.study}`")
    return history


def patience(study: str, stop: Stop, say: Callable[[str], None]) -> GoOn:
    """What a person hears while the views catch up, whenever half of it is done; a new Ctrl-C leaves."""
    asked, told, began = stop.asked, math.inf, time.monotonic()
    if not asked:
        stop.heard = lambda: None  # no reports are under way any more

    def go_on(left: int) -> bool:
        nonlocal told
        if 0 < left <= told / 2 and time.monotonic() - began >= SECONDS_OF_SILENCE:
            told = left
            waiting = "the views have {events} to catch up with; Ctrl-C leaves, and `hpo sync {study}` goes on"
            language = of_terminal()
            say(language.say(waiting, events=count(left, "event", language), study=study))
        return asked != 0 or not stop.asked

    return go_on


def _terminal(study: Study, events: list[Event], screen: TextIO) -> Any:
    from hpo.tracking.board import board_after
    from hpo.tracking.terminal import Terminal

    forecast = expected(study, fold(events).record["data"]) if screen.isatty() else None
    language = of_terminal()
    return Terminal(board_after(events, study, language.say(KEYS), forecast, language), screen)


def _execute(engine: Any, in_process: bool) -> None:
    with uncollected():
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
            f"{len(without)} of {count(len(history.trials), 'trial')} of {study.study} failed or diverged, "
            f"the first: {without[0].reason}; details are in {StudyPaths.of(study.study).log}"
        )
    return history

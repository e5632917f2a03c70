"""A small study written straight into its ledger, with a witness of what was acknowledged, and the judge of both.

The witness is no part of the product: a file to which each commit is appended, and synchronised, once it has returned.
`python -m tests.faults.session FOLDER [TRIALS]` goes on where the ledger ends, as a driver does.
"""

import json
import os
import sqlite3
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from hpo import driver
from hpo.disk_faults import naming_disk
from hpo.errors import HpoError
from hpo.event import Event
from hpo.history import State, Trial, fold
from hpo.ledger import Ledger
from hpo.paths import StudyPaths
from hpo.study_lock import study_lock
from train_fn.checkpoint import CheckpointError, commit, verify

TRIALS, REPORTS = 3, 3
Row = list[Any]  # what is compared: seq, kind, trial, attempt, step, mark


def session(folder: Path, trials: int = TRIALS, checkpoints: bool = True) -> None:
    """Run or resume the study in `folder` to its end; DiskError where its disk does not let it."""
    paths = study(folder)
    with naming_disk(paths.root, "`hpo resume scripted`"), witness(folder) as acknowledge:
        if not paths.root.exists():
            driver._found(paths, {"mark": uuid.uuid4().hex})
            acknowledge([])
        with study_lock(paths), closing(Ledger(paths.ledger)) as ledger:
            history = fold(ledger.events())

            def write(*rows: tuple[str, Trial | None, dict[str, Any]]) -> None:
                events = []
                with ledger.transaction():
                    for kind, trial, columns in rows:
                        number, attempt = (trial.number, trial.attempt) if trial else (None, None)
                        columns = {"attempt": attempt, "mark": uuid.uuid4().hex, **columns}
                        events.append(ledger.append(kind, number, **columns))
                        history.apply(events[-1])
                acknowledge([row(event) for event in events])

            for trial in history.trials:
                if trial.state is State.RUNNING:
                    write(("lost", trial, {"reason": "the driver ended", "counts": 0}))
            while len(history.ended) < trials:
                if not history.waiting:
                    write(("asked", None, {"params": {"x": len(history.trials)}}))
                trial = history.trials[min(history.waiting)]
                last = trial.last_step
                write(("started", trial, {"attempt": trial.attempt + 1, "from_step": last, "checkpoint": None}))
                for step in range(last + 1, REPORTS + 1):
                    name = f"checkpoint-{trial.attempt:02d}-{step:06d}" if checkpoints else None
                    if name:
                        commit(
                            paths.trial(trial.number) / name, lambda to: void((to / "state").write_bytes(b"x" * 5000))
                        )
                    report = {"step": step, "epoch": step, "metrics": {"score": step}, "seconds": 1.0}
                    rows = [("reported", trial, {**report, "checkpoint": name, "diverged": None})]
                    if step == REPORTS:
                        rows.append(("ended", trial, {"state": "COMPLETE", "reason": "ran to its end"}))
                    write(*rows)
            if not history.finished:
                write(("finished", None, {"reason": f"all {trials} trials ended"}))


def study(folder: Path) -> StudyPaths:
    return StudyPaths(folder / "studies" / "scripted")


def row(event: Event) -> Row:
    return [event.seq, event.kind, event.trial, event.attempt, event.step, event.payload.get("mark")]


def void(_: object) -> None:
    return None


@contextmanager
def witness(folder: Path) -> Iterator[Any]:
    """A function that notes the rows of a commit that has returned."""
    descriptor = os.open(folder / "witness", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def acknowledge(rows: list[Row]) -> None:
        os.write(descriptor, f"{json.dumps(rows)}\n".encode())
        os.fsync(descriptor)

    try:
        yield acknowledge
    finally:
        os.close(descriptor)


def acknowledged(folder: Path) -> list[list[Row]]:
    """The commits that the witness has seen return; a line cut by a kill is none."""
    path = folder / "witness"
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def judge(folder: Path, commits: list[list[Row]] | None = None) -> list[str]:
    """What is wrong after a crash: nothing acknowledged is lost, nothing stands twice, nothing is corrupt."""
    commits = acknowledged(folder) if commits is None else commits
    paths = study(folder)
    if not paths.root.exists():
        return ["lost: the whole study"] if commits else []
    try:
        with closing(Ledger(paths.ledger)) as ledger:
            events = ledger.events()
            history = fold(events)
        if paths.ledger.exists():
            with closing(sqlite3.connect(paths.ledger)) as connection:
                [said] = connection.execute("PRAGMA integrity_check").fetchone()
                assert said == "ok", said
    except (HpoError, sqlite3.Error, AssertionError, LookupError) as error:
        return [f"corrupt: {type(error).__name__}: {error}"]
    there = [row(event) for event in events]
    wrong = [f"lost: {one}" for rows in commits for one in rows if one not in there[one[0] - 1 : one[0]]]
    reports = Counter((e.trial, e.attempt, e.step) for e in events if e.kind == "reported")
    steps = Counter((trial.number, e.step) for trial in history.trials for e in trial.evaluations)
    marks = Counter(event.payload["mark"] for event in events)
    wrong += [f"duplicated: {one}" for counts in (reports, steps, marks) for one, count in counts.items() if count > 1]
    for trial in history.trials:
        for evaluation in trial.evaluations:
            if evaluation.checkpoint:
                try:
                    verify(paths.trial(trial.number) / evaluation.checkpoint)
                except CheckpointError as error:
                    wrong.append(f"corrupt: {error}")
    return wrong


def main() -> None:
    try:
        session(Path(sys.argv[1]), *map(int, sys.argv[2:]))
    except HpoError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()

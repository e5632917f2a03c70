"""A run in a lane: the steps are taken by one process for all trials of a study on a device; here it is asked for them.

Unless the environment names a folder to meet in, this process takes them itself, in one lane.
"""

import fcntl
import hashlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from train_fn.config import TrainingConfig
from train_fn.errors import ProcessLost
from train_fn.fused.words import Begin, Go, Raised, Save, Saved, Told
from train_fn.report import Report

MEETING_PLACE = "LANES_MEETING_PLACE"  # variable of the environment: a folder of runs that may train as one
LONGEST = 500  # characters of what a process said last


def fine_tune_in_lane(config: TrainingConfig, resume_from: Path | None = None) -> Iterator[Report]:
    """ProcessLost where the process that takes the steps dies."""
    if MEETING_PLACE not in os.environ:
        yield from fine_tune_alone(config, resume_from)
        return
    with asked() as connection:
        word = answer(connection, Begin(config=config, resume_from=resume_from, threads=threads()))
        while isinstance(word, Told):

            def save(folder: Path) -> None:
                answer(connection, Save(folder=folder))

            yield Report(
                epoch=word.epoch,
                metrics=word.metrics,
                save=save if word.saves else None,
                diverged=word.diverged,
                details=word.details,
            )
            word = answer(connection, Go())


def fine_tune_alone(config: TrainingConfig, resume_from: Path | None) -> Iterator[Report]:
    from train_fn.fused.lanes import Lane, Lanes  # which need torch; who asks another process for steps does not

    lane, lanes = Lane(config, resume_from), Lanes()
    lanes.join(lane)
    while (report := lanes.train([lane])[lane]) is not None:
        if isinstance(report, Exception):
            raise report
        yield report


def answer(connection: Connection, word: Begin | Go | Save) -> Told | Saved | None:
    try:
        connection.send(word)
        said: Any = connection.recv()
    except (EOFError, OSError):
        raise lost() from None
    if isinstance(said, Raised):
        raise said.error from RuntimeError(said.details)
    return said


def lost() -> ProcessLost:
    """It counts as a try of each run that had a lane there.

    Which of them was at fault, if any, nobody can tell; if it counted for none, one that always kills the process would
    do so for ever.
    """
    try:
        why = last_words(meeting_place() / "socket").read_text()[:LONGEST]
    except OSError:  # it was killed
        return ProcessLost("the process of its lane died")
    return ProcessLost(f"the process of its lane died: {why}")


def last_words(place: Path) -> Path:
    """Beside its socket: why it could not start, or go on."""
    return place.with_name("last-words")


@contextmanager
def asked() -> Iterator[Connection]:
    """A connection to the process that takes the steps on this device; it is started where there is none."""
    folder = meeting_place()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} must be this user's, got another's; delete it")
    with (folder / "lock").open("w") as lock, socket.socket(socket.AF_UNIX) as own:
        fcntl.flock(lock, fcntl.LOCK_EX)
        place = folder / "socket"
        try:
            own.connect(str(place))
        except (FileNotFoundError, ConnectionRefusedError):
            serve_at(place)
            try:
                own.connect(str(place))
            except ConnectionRefusedError:  # it has died before anybody came
                raise lost() from None
        connection = Connection(own.detach())
    with connection:
        yield connection


def serve_at(place: Path) -> None:
    """Who connects is heard when the process has come up: its socket is there before it is."""
    for left in (place, last_words(place)):  # of one that has died
        left.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(place))
        listening.listen(1024)
        subprocess.run(
            [sys.executable, "-m", "train_fn.fused", str(listening.fileno())],
            pass_fds=[listening.fileno()], check=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip


def meeting_place() -> Path:
    """Of the runs on this device; with a name of few letters, since the path of a Unix socket has at most 107 bytes."""
    device = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return Path(os.environ[MEETING_PLACE]) / hashlib.sha256(device.encode()).hexdigest()[:8]


def threads() -> int:
    return int(os.environ.get("OMP_NUM_THREADS", "1"))

"""Runs a command and says what it cost: seconds by the clock, and CPU seconds of all processes that it led to.

Servers and workers of Ray's outlive whoever started them, so that no parent can be asked: whatever descends from this
process is looked at four times a second, and what a process had used when it was last seen counts.
"""

import ctypes
import os
import statistics
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

EVERY = 0.25  # seconds
PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, kw_only=True)
class Cost:
    began: float  # seconds since 1970
    wall: float
    cpu: float
    said: str  # standard output


def metered(command: Sequence[str], folder: Path, environment: Mapping[str, str], limit: float) -> Cost:
    """RuntimeError with the end of what it said, where it fails or takes longer than `limit` seconds."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)  # orphans come to this process, and stay in sight
    used: dict[tuple[int, float], float] = {}
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(used, over), daemon=True)
    watch.start()
    began, clock = time.time(), time.monotonic()
    try:
        with (folder / "errors.txt").open("w") as errors:
            done = subprocess.run(
                command,
                cwd=folder,
                env={**os.environ, **environment},
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                timeout=limit,
            )
    finally:
        wall = time.monotonic() - clock
        _look(used)
        over.set()
        watch.join()
        _end_all()
    if done.returncode:
        told = (done.stdout + (folder / "errors.txt").read_text())[-3000:]
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{told}")
    return Cost(began=began, wall=wall, cpu=sum(used.values()), said=done.stdout)


def _watch(used: dict[tuple[int, float], float], over: threading.Event) -> None:
    while not over.wait(EVERY):
        _look(used)


def _look(used: dict[tuple[int, float], float]) -> None:
    for process in psutil.Process().children(recursive=True):
        try:
            times = process.cpu_times()
            used[process.pid, process.create_time()] = times.user + times.system
        except psutil.Error:  # it has ended meanwhile
            continue


def _end_all() -> None:
    left = psutil.Process().children(recursive=True)
    for process in left:
        try:
            process.kill()
        except psutil.Error:
            continue
    psutil.wait_procs(left, timeout=10)


def median_ratio(theirs: Sequence[float], ours: Sequence[float]) -> float:
    """Of pairs that ran one after the other."""
    return statistics.median(their / our for their, our in zip(theirs, ours, strict=False))

"""Disk, shared memory, open files and clock: what a study needs of the machine, GPUs apart."""

import os
import resource
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from hpo.disk_faults import existing, in_bytes
from hpo.doctor.finding import Finding, Orders, fault, ok, warning
from hpo.executors.ray_session import PLACE
from hpo.paths import STUDIES

CACHE = Path("~/.cache/hpo").expanduser()
SHARED_MEMORY = Path("/dev/shm")

MIN_FREE, ENOUGH_FREE = 0.5e9, 5e9  # bytes; a checkpoint of MiniLM takes 0.3e9
ENOUGH_SHARED = 1e9  # bytes; Docker's default of 64 MB is too little for loaders of data and for Ray
ENOUGH_FILES = 4096
RELEASED = 1_790_000_000  # seconds since 1970; a clock that shows less has stopped, or was never set


def disk(orders: Orders) -> Iterator[Finding]:
    """Room and the right to write, wherever something is kept."""
    for name, folder in {"studies": STUDIES.absolute(), "cache": CACHE, "sessions": PLACE}.items():
        there = existing(folder)
        free = shutil.disk_usage(there).free
        if not os.access(there, os.W_OK | os.X_OK):
            yield fault("disk", f"{name}: {there} cannot be written; `chmod u+rwx {there}`, or work in another folder")
        elif free < MIN_FREE:
            yield fault("disk", f"{name}: {in_bytes(free)} free in {there}; free some before the next study")
        elif free < ENOUGH_FREE:
            yield warning("disk", f"{name}: {in_bytes(free)} free in {there}; checkpoints of large models need more")
        else:
            yield ok("disk", f"{name}: {in_bytes(free)} free in {there}")


def shared_memory(orders: Orders) -> Iterator[Finding]:
    if not SHARED_MEMORY.is_dir():
        yield warning("shared memory", f"there is no {SHARED_MEMORY}; Ray then uses {PLACE}, which is slower")
        return
    size = shutil.disk_usage(SHARED_MEMORY).total
    if size < ENOUGH_SHARED:
        yield warning("shared memory", f"{in_bytes(size)} in {SHARED_MEMORY}; in Docker give `--shm-size=8g`")
    else:
        yield ok("shared memory", f"{in_bytes(size)} in {SHARED_MEMORY}")


def open_files(orders: Orders) -> Iterator[Finding]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < ENOUGH_FILES:
        yield warning("open files", f"{soft:,} at once are allowed; `ulimit -n {ENOUGH_FILES}` before many trials")
    else:
        yield ok("open files", f"{soft:,} at once are allowed")


def clock(orders: Orders) -> Iterator[Finding]:
    """Events are ordered by their numbers and timed by a monotonic clock: only what people read depends on this."""
    shown = time.strftime("%Y-%m-%d %H:%M", time.localtime())
    if time.time() < RELEASED:
        yield warning("clock", f"it shows {shown}, before this hpo was made; set it, or times shown are wrong")
    else:
        yield ok("clock", f"it shows {shown}")

"""Folders that are made once and read by every process on the machine, until room is needed.

A cache folder holds kinds (data, tokens, images) of named entries; the name says what went into an entry, so one that
is there is never changed.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from train_fn.checkpoint import sync
from train_fn.errors import DataError

FOLDER, LIMIT_GB = "~/.cache/hpo", 20.0  # unless a study says otherwise; of all kinds together
# entries that this process reads, each with a descriptor that keeps others from deleting it
IN_USE: dict[Path, int] = {}
MOST_IN_USE = 64  # a process with more has long forgotten the first


def made_once(entry: Path, fill: Callable[[Path], None], limit_gb: float) -> Path:
    """`entry`, filled by the first who asks; of many who ask at once, the others wait. It appears whole or not at all.

    What `fill` raises is raised, and then nothing is left. The new entry may push out those used longest ago.
    """
    while not use(entry):
        with only_one(entry):
            if not entry.is_dir():
                make(entry, fill)
                make_room(entry.parent.parent, limit_gb * 1e9, keep=entry)
    return entry


def make(entry: Path, fill: Callable[[Path], None]) -> None:
    for left_behind in entry.parent.glob(f"{entry.name}.*.tmp"):  # by a process that was killed
        shutil.rmtree(left_behind, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{entry.name}.", suffix=".tmp", dir=entry.parent) as temporary:
        unfinished = Path(temporary) / entry.name
        unfinished.mkdir()
        fill(unfinished)
        for path in (*unfinished.rglob("*"), unfinished):
            sync(path)  # or a power cut could leave the name without the rows
        try:
            unfinished.rename(entry)
        except OSError:
            if not entry.is_dir():  # else somebody was first, with the same
                raise


@contextmanager
def only_one(entry: Path) -> Iterator[None]:
    lock = entry.with_name(f"{entry.name}.lock")
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        held = FileLock(lock).acquire()
    except OSError as error:
        raise DataError(
            f"`cache` must be a folder that can be written, got {entry.parent}: {error.strerror}; name another"
        ) from error
    try:
        with held:
            yield
    finally:
        lock.unlink(missing_ok=True)  # who slips through now makes the same again, and drops it


def use(entry: Path) -> bool:
    """Keep an entry from being deleted as long as this process lives; False where there is none."""
    if entry in IN_USE and entry.is_dir():
        return True
    try:
        descriptor = os.open(entry, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return False
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    if not entry.is_dir() or not os.path.samestat(os.fstat(descriptor), entry.stat()):  # deleted just now
        os.close(descriptor)
        return False
    os.utime(entry)
    leave(entry)
    IN_USE[entry] = descriptor
    if len(IN_USE) > MOST_IN_USE:
        leave(next(iter(IN_USE)))
    return True


def leave(entry: Path) -> None:
    if entry in IN_USE:
        os.close(IN_USE.pop(entry))


def make_room(cache: Path, limit: float, keep: Path) -> None:
    """Delete entries, those used longest ago first, until all take at most so many bytes; never one that is in use."""
    entries = {path: path.stat().st_mtime for path in cache.glob("*/*") if path.is_dir() and path.suffix != ".tmp"}
    sizes = {entry: num_bytes(entry) for entry in entries}
    total = sum(sizes.values())
    for entry in sorted(entries, key=entries.__getitem__):
        if total <= limit:
            return
        if entry != keep and delete(entry):
            total -= sizes[entry]


def num_bytes(entry: Path) -> int:
    return sum(path.stat().st_size for path in entry.rglob("*") if path.is_file())


def delete(entry: Path) -> bool:
    """False where somebody uses it."""
    descriptor = os.open(entry, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        trash = Path(tempfile.mkdtemp(prefix=f"{entry.name}.", suffix=".tmp", dir=entry.parent))
        entry.rename(trash / entry.name)  # at once, so that nobody sees a half of it
    except OSError:
        return False
    finally:
        os.close(descriptor)
    shutil.rmtree(trash, ignore_errors=True)
    return True

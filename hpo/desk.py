"""Where a worker has its trial's checkpoints at hand: in the study's folder, or on its way to and from a storage.

What is on its way lies in a folder of the worker's own machine. A killed worker leaves that behind, and whoever comes
next there deletes it: the kernel has freed its lock.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hpo import storage
from hpo.segment import Segment
from train_fn.checkpoint import discard

PREFIX = "hpo-segment-"
SECONDS_TO_LOCK = 60.0  # a folder's owner has it made before it can lock it


@dataclass(frozen=True, kw_only=True)
class Desk:
    folder: Path  # where checkpoints are written
    checkpoint: Path | None  # to go on from
    storage: str | None = None  # URL of the trial's folder there

    def deliver(self, name: str) -> None:
        """When it returns, the checkpoint is where every machine finds it."""
        if self.storage:
            storage.put(self.folder / name, f"{self.storage}/{name}")
            discard(self.folder / name)


@contextmanager
def at_hand(segment: Segment) -> Iterator[Desk]:
    """StorageError where the storage does not answer."""
    if segment.storage is None:
        yield Desk(folder=Path(segment.folder), checkpoint=Path(segment.checkpoint) if segment.checkpoint else None)
        return
    with _folder() as folder:
        checkpoint = None
        if segment.checkpoint:
            checkpoint = folder / "from" / segment.checkpoint.rpartition("/")[2]
            storage.fetch(segment.checkpoint, checkpoint)
        yield Desk(folder=folder / "new", checkpoint=checkpoint, storage=segment.storage)


@contextmanager
def _folder() -> Iterator[Path]:
    """A new one of mode 0700, locked and in the end deleted."""
    _sweep()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _sweep() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:  # somebody else's, or deleted meanwhile
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            status = os.fstat(descriptor)
            if status.st_uid == os.getuid() and time.time() - status.st_mtime > SECONDS_TO_LOCK:
                shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(descriptor)

"""One driver per study. The kernel frees a lock with its holder, so none is ever stale, and none is ever stolen:
not from a stopped process, and not because another process has taken over the number of one that died."""

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from hpo.errors import Resumable
from hpo.ledger_server import LedgerServer
from hpo.paths import StudyPaths

SECONDS_TO_TRY = 0.5  # `is_locked` of another process holds the lock for a moment

_held: set[int] = set()


@contextmanager
def study_lock(paths: StudyPaths) -> Iterator[None]:
    """Resumable names the owner: its pid and host, which are in the file for people alone."""
    descriptor = os.open(paths.lock, os.O_RDWR | os.O_CREAT, 0o600)
    _held.add(descriptor)
    try:
        if not _locked(descriptor):
            owner = os.read(descriptor, 200).decode(errors="replace") or "another process"
            raise Resumable(f"study {paths.root.name} is being run by {owner}; wait for it, or stop it")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"pid {os.getpid()} on {socket.gethostname()}".encode(), 0)
        server = LedgerServer.stored(paths.ledger)
        with server.exclusive() if server else nullcontext():
            yield
    finally:
        if descriptor in _held:
            _held.remove(descriptor)
            os.close(descriptor)


def is_locked(paths: StudyPaths) -> bool:
    """Whether a driver holds the study now, here or, where its ledger lies on a server, on another machine."""
    try:
        with open(paths.lock) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        pass
    except BlockingIOError:
        return True
    server = LedgerServer.stored(paths.ledger)
    return server.owner() is not None if server else False


def _locked(descriptor: int) -> bool:
    deadline = time.monotonic() + SECONDS_TO_TRY
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)


def _let_go() -> None:
    """A forked child, such as a loader of data, shares the lock: it must not keep it when the driver is killed."""
    while _held:
        os.close(_held.pop())


os.register_at_fork(after_in_child=_let_go)

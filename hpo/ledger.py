"""The append-only event log of one study: the only truth, written by its driver alone.

One row per event, committed before it is acted on. The rollback journal with full synchronisation is used, not the
write-ahead log: SQLite 3.7.0 to 3.51.2 can corrupt a database when the latter is reset.
"""

import fcntl
import json
import math
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from hpo.errors import DiskError, Resumable, UsageError
from hpo.paths import StudyPaths

SCHEMA_VERSION = 1

metadata = sa.MetaData()
events = sa.Table(
    "events",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("time", sa.Float, nullable=False),  # seconds since 1970, for people; seq gives the order
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("trial", sa.Integer),
    sa.Column("attempt", sa.Integer),
    sa.Column("step", sa.Integer),
    sa.Column("payload", sa.JSON, nullable=False),
)
# one report per (trial, attempt, step): a report delivered twice is refused by the database itself
sa.Index("one_report", events.c.trial, events.c.attempt, events.c.step, unique=True,
         sqlite_where=events.c.kind == "reported", postgresql_where=events.c.kind == "reported")  # fmt: skip
schema = sa.Table("schema", metadata, sa.Column("version", sa.Integer, primary_key=True))


@dataclass(frozen=True)
class Event:
    """One row. What `payload` holds depends on `kind`; hpo.history reads each kind."""

    seq: int
    time: float
    kind: str
    trial: int | None
    attempt: int | None
    step: int | None
    payload: dict[str, Any]


class Ledger:
    """Opens the log of a study for reading, and under the study's lock for writing."""

    def __init__(self, path: Path, create: bool = False) -> None:
        if not create and not path.exists():
            raise UsageError(f"there is no study at {path.parent}; `hpo status` lists those there are")
        self.path = path
        self.engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": 30}, json_serializer=_to_json)
        sa.event.listen(self.engine, "connect", _durable)
        if create:
            with _disk_errors(path), self.engine.begin() as connection:
                metadata.create_all(connection)
                connection.execute(schema.insert().values(version=SCHEMA_VERSION))
            path.chmod(0o600)
        with _disk_errors(path), self.engine.connect() as connection:
            version = connection.execute(sa.select(schema.c.version)).scalar_one()
        if version != SCHEMA_VERSION:
            raise UsageError(
                f"{path} has schema version {version}, this hpo reads {SCHEMA_VERSION}; use the hpo that wrote it"
            )

    def append(self, kind: str, trial: int | None = None, attempt: int | None = None, step: int | None = None,
               **payload: Any) -> Event:  # fmt: skip
        """Commit one event durably and return it. DiskError where the disk is full, read-only or gone."""
        row = {"time": time.time(), "kind": kind, "trial": trial, "attempt": attempt, "step": step, "payload": payload}
        with _disk_errors(self.path), self.engine.begin() as connection:
            seq = connection.execute(events.insert().values(**row)).inserted_primary_key
        assert seq is not None
        return Event(seq=seq[0], **row)  # type: ignore[arg-type]

    def events(self, after: int = 0) -> list[Event]:
        with _disk_errors(self.path), self.engine.connect() as connection:
            rows = connection.execute(sa.select(events).where(events.c.seq > after).order_by(events.c.seq))
            return [Event(**row) for row in rows.mappings()]

    def close(self) -> None:
        self.engine.dispose()


@contextmanager
def study_lock(paths: StudyPaths) -> Iterator[None]:
    """One driver per study; Resumable names the owner. The kernel frees the lock with its holder: it is never stale."""
    descriptor = os.open(paths.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            _lock(descriptor)
        except BlockingIOError:
            owner = os.read(descriptor, 200).decode() or "another process"
            raise Resumable(f"study {paths.root.name} is being run by {owner}; wait for it, or stop it") from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"pid {os.getpid()} on {socket.gethostname()}".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    """Tries for half a second: `is_locked` of another process holds the lock for a moment."""
    deadline = time.monotonic() + 0.5
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def is_locked(paths: StudyPaths) -> bool:
    """Whether a driver holds the study now."""
    try:
        with open(paths.lock) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True


def _durable(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.execute("PRAGMA synchronous=FULL")


def _to_json(payload: Any) -> str:
    return json.dumps(_finite(payload), allow_nan=False)


def _finite(value: Any) -> Any:
    """JSON has no nan and no infinity: they are written as the strings that float() reads."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sa.exc.OperationalError as error:
        raise DiskError(f"the ledger {path} cannot be used: {error.orig}; free the disk, then `hpo resume`") from error
    except sa.exc.DatabaseError as error:
        if isinstance(error, sa.exc.IntegrityError):
            raise
        raise DiskError(f"the ledger {path} cannot be read: {error.orig}") from error

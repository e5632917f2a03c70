"""A ledger in a SQLite file of the study's folder, opened so that a commit that returned is on the disk."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from hpo.disk_faults import disk_error
from hpo.errors import DiskError, HpoError, Resumable

SECONDS_TO_WAIT = 30  # for a reader to let go
DAMAGED = ("malformed", "not a database", "no such table", "no such column", "unsupported file format", "decode")


@dataclass(frozen=True)
class LedgerFile:
    """One file, of one study."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @cached_property
    def engine(self) -> sa.Engine:
        """Opens the file that is there: one that vanished is not made anew."""
        url = sa.URL.create("sqlite", database=f"file:{quote(str(self.path))}", query={"mode": "rw", "uri": "true"})
        engine = sa.create_engine(url, connect_args={"timeout": SECONDS_TO_WAIT})
        sa.event.listen(engine, "connect", _make_durable)
        sa.event.listen(engine, "begin", _begin)
        return engine

    def create(self, tables: sa.MetaData, first_row: sa.Insert) -> None:
        os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        with self.engine.begin() as connection:
            tables.create_all(connection)
            connection.execute(first_row)

    def refuse_damage(self, connection: sa.Connection) -> None:
        """DiskError where the end of the file is missing, which SQLite would read as zeros.

        To be called in a transaction that has read: what a crash left half done is undone, and no writer goes on.
        """
        pages, size = (connection.exec_driver_sql(f"PRAGMA page_{what}").scalar_one() for what in ("count", "size"))
        there = self.path.stat().st_size
        if there < pages * size:
            raise self.damaged(f"{there} bytes of {pages * size} are there")

    def damaged(self, said: str) -> DiskError:
        return DiskError(f"the ledger {self} is damaged: {said}; `hpo doctor` says what can be saved")

    def in_words(self, error: sa.exc.DBAPIError) -> HpoError:
        said, study = str(error.orig), self.path.parent.name
        if any(words in said for words in DAMAGED):
            return self.damaged(said)
        if "locked" in said:
            return Resumable(f"the ledger {self} is held by another process; end it, then `hpo resume {study}`")
        return disk_error(self.path, f"the ledger cannot be used: {said}", f"`hpo resume {study}`")


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _make_durable(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # Python's driver would begin a transaction at the first INSERT, not before
    # Not the write-ahead log: SQLite 3.7.0 to 3.51.2 can corrupt a database when that is reset. Not the journal that is
    # deleted: a power failure brings it back, and a commit that had returned is undone. One whose header is zeroed and
    # synchronised is as durable as the log, and a commit takes half the time of a deleted one
    connection.execute("PRAGMA journal_mode=PERSIST")
    connection.execute("PRAGMA synchronous=FULL")

"""The append-only event log of one study: the only truth, written by its driver alone.

One row per event, committed before it is acted on. Rows are numbered 1, 2, 3 ... by their writer, who must know the
last: should a second one write to the same ledger, whatever locks it broke, the database refuses one of the two.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from hpo.errors import Resumable, UsageError
from hpo.event import Event
from hpo.ledger_file import LedgerFile
from hpo.ledger_server import LedgerServer
from hpo.redaction import known_values, redacted

SCHEMA_VERSION = 1
# settings are read again when a study is resumed; hpo.study_file has refused secrets in them
READ_AGAIN = {"spec", "params", "warm_start"}

metadata = sa.MetaData()
events = sa.Table(
    "events",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
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
INSERT = events.insert()


class Ledger:
    """Opens the log of a study: to read, or under the study's lock to write. UsageError where there is no study."""

    def __init__(self, path: Path, create: bool = False) -> None:
        self.path = path
        self.place = (LedgerServer.chosen(path) or LedgerFile(path)) if create else place(path)
        self._open: sa.Connection | None = None  # the transaction under way
        self._last: int | None = None  # number of the last row, once this writer knows it
        self._failed = False
        with self._errors():
            if create:
                self.place.create(metadata, schema.insert().values(version=SCHEMA_VERSION))
            with self.place.engine.connect() as connection:
                version = connection.scalar(sa.select(schema.c.version))
                self.place.refuse_damage(connection)
        if version is None:
            raise self.place.damaged("it says no version")
        if version != SCHEMA_VERSION:
            raise UsageError(
                f"{self.place} has schema version {version}, this hpo reads {SCHEMA_VERSION}; use the hpo that wrote it"
            )

    def append(self, kind: str, trial: int | None = None, attempt: int | None = None, step: int | None = None,
               **payload: Any) -> Event:  # fmt: skip
        """Commit one event durably and return it, or raise an HpoError and take nothing more."""
        known = known_values()
        payload = {
            key: _finite(value if key in READ_AGAIN else redacted(value, key, known)) for key, value in payload.items()
        }
        row = {"time": time.time(), "kind": kind, "trial": trial, "attempt": attempt, "step": step, "payload": payload}
        with self.transaction() as connection:
            if self._last is None:
                self._last = connection.scalar(sa.select(sa.func.max(events.c.seq))) or 0
            self._last += 1
            connection.execute(INSERT, {"seq": self._last, **row})
        return Event(seq=self._last, **row)  # type: ignore[arg-type]

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """Commit what is appended within at once: one row each, all of them or none. An inner one joins the outer.

        After an error it is not known what is on the disk, as no second fsync would tell: the ledger takes nothing
        more, and the study is resumed from what is there.
        """
        if self._open is not None:
            yield self._open
            return
        if self._failed:
            raise Resumable(
                f"the ledger {self.place} takes nothing after an error; `hpo resume {self.path.parent.name}`"
            )
        try:
            with self._errors(), self.place.engine.begin() as self._open:
                yield self._open
        except BaseException:
            self._failed = True
            raise
        finally:
            self._open = None

    def events(self, after: int = 0) -> list[Event]:
        """All from the first, or those after a number. DiskError where one is missing or cannot be read."""
        with self._errors(), self.place.engine.connect() as connection:
            rows = connection.execute(sa.select(events).where(events.c.seq > after).order_by(events.c.seq))
            try:
                found = [Event(**row) for row in rows.mappings()]
            except ValueError as error:  # neither text nor JSON
                raise self.place.damaged(str(error)) from None
        for number, event in enumerate(found, start=after + 1):
            if event.seq != number:
                raise self.place.damaged(f"row {number} is missing")
        return found

    def last(self) -> int:
        """Number of the last event."""
        with self._errors(), self.place.engine.connect() as connection:
            return connection.scalar(sa.select(sa.func.max(events.c.seq))) or 0

    def close(self) -> None:
        self.place.engine.dispose()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """One line for whatever a disk, a server or a person can cause."""
        try:
            yield
        except sa.exc.IntegrityError as error:
            if "one_report" in str(error.orig) or "events.trial" in str(error.orig):
                raise  # the same report twice: the engine has let it through
            study = self.path.parent.name
            raise Resumable(f"another driver has written to {self.place}; end one, then `hpo resume {study}`") from None
        except sa.exc.DBAPIError as error:
            raise self.place.in_words(error) from error


def place(path: Path) -> LedgerFile | LedgerServer:
    """Where the ledger of a study lies."""
    if path.exists():
        return LedgerFile(path)
    if server := LedgerServer.stored(path):
        return server
    raise UsageError(f"there is no study at {path.parent}; `hpo status` lists those there are")


def _finite(value: Any) -> Any:
    """JSON has no nan and no infinity: they are written as the strings that float() reads."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value

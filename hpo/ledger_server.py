"""A ledger on a PostgreSQL server: each study has a schema of its own, so that a database holds many.

A study that is begun with HPO_LEDGER=postgresql+psycopg://user:password@host/database lies there. Its folder then holds
the address in the place of the file, without user and password: they are taken from HPO_LEDGER again, or from where
PostgreSQL's own programs take them (PGUSER, PGPASSWORD, ~/.pgpass).
"""

import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from hpo.errors import DiskError, HpoError, Resumable, UsageError

VARIABLE = "HPO_LEDGER"
EXAMPLE = "postgresql+psycopg://user:password@host/database"
SECRETS = ("user", "password", "passfile", "sslpassword")  # that an address may also hold behind its `?`
SECONDS_TO_CONNECT, SECONDS_UNHEARD = 10, 30  # then the server counts as gone
DISK_FULL = "53100"  # PostgreSQL's code


@dataclass(frozen=True)
class LedgerServer:
    """One schema of one database. `study` is the name that people know it by."""

    address: sa.URL
    schema: str
    study: str

    @classmethod
    def chosen(cls, file: Path) -> "LedgerServer | None":
        """Where HPO_LEDGER wants a new study; None where it is not set. Writes the address in the place of `file`."""
        if (address := _given()) is None:
            return None
        study = file.parent.name
        schema = f"{study[:40]}-{uuid.uuid4().hex[:12]}"  # a name of PostgreSQL has 63 bytes at most
        _write(address_file(file), f"{_public(address).update_query_dict({'schema': schema})}\n")
        return cls(address, schema, study)

    @classmethod
    def stored(cls, file: Path) -> "LedgerServer | None":
        """Where the address in the place of `file` says; None where there is none."""
        if not address_file(file).exists():
            return None
        try:
            url = sa.make_url(address_file(file).read_text(encoding="utf-8").strip())
            schema = str(url.query["schema"])
        except (sa.exc.ArgumentError, KeyError):
            raise DiskError(f"{address_file(file)} is damaged: it must hold the address of the ledger") from None
        address, given = url.difference_update_query(["schema"]), _given()
        return cls(given if given is not None and _public(given) == address else address, schema, file.parent.name)

    def __str__(self) -> str:
        return f"{_public(self.address)} (schema {self.schema})"

    @cached_property
    def engine(self) -> sa.Engine:
        settings: dict[str, Any] = {
            "application_name": f"hpo pid {os.getpid()} on {socket.gethostname()}"[:63],
            "connect_timeout": SECONDS_TO_CONNECT,
            "tcp_user_timeout": SECONDS_UNHEARD * 1000,
            "options": "-c synchronous_commit=on",
        }
        try:
            engine = sa.create_engine(self.address, connect_args=settings)
        except ModuleNotFoundError as error:
            raise UsageError(f"a ledger on {self} needs {error.name}; pip install 'hpo[postgres]'") from None
        return engine.execution_options(schema_translate_map={None: self.schema})

    def create(self, tables: sa.MetaData, first_row: sa.Insert) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.schema.CreateSchema(self.schema))
            tables.create_all(connection)
            connection.execute(first_row)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """One driver, on whatever machine; Resumable names the other. The server frees the lock with its connection."""
        try:
            connection = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            connection.detach()  # to be closed in the end, not kept for others with the lock on it
            free = connection.scalar(TRY_LOCK, self._lock)
            owner = "" if free else connection.scalar(OWNER, self._lock) or "another driver"
        except sa.exc.DBAPIError as error:
            raise self.in_words(error) from error
        with connection:
            if owner:
                raise Resumable(f"study {self.study} is being run by {owner}; wait for it, or stop it")
            yield

    def owner(self) -> str | None:
        """Who runs the study now, on whatever machine."""
        try:
            with self.engine.connect() as connection:
                connection.detach()  # to be closed at once: nothing more is asked
                found: str | None = connection.scalar(OWNER, self._lock)
        except sa.exc.DBAPIError as error:
            raise self.in_words(error) from error
        return found

    @property
    def _lock(self) -> dict[str, str]:
        return {"family": "hpo", "schema": self.schema}

    def refuse_damage(self, connection: sa.Connection) -> None:
        """The server looks after its own files."""

    def damaged(self, said: str) -> DiskError:
        return DiskError(f"the ledger {self} is damaged: {said}; restore it from the server's backup")

    def in_words(self, error: sa.exc.DBAPIError) -> HpoError:
        said = " ".join(str(error.orig).split())
        for secret in (self.address.password, self.address.username):
            said = said.replace(str(secret), "[redacted]") if secret else said
        if getattr(error.orig, "sqlstate", None) == DISK_FULL:
            return DiskError(f"{self}: {said}; free some of the server's disk, then `hpo resume {self.study}`")
        return Resumable(f"the ledger {self} cannot be used: {said}; mend that, then run or resume {self.study} again")


TRY_LOCK = sa.text("SELECT pg_try_advisory_lock(hashtext(:family), hashtext(:schema))")
OWNER = sa.text(
    "SELECT substr(application_name, 5) FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE locktype = 'advisory' "
    "AND granted AND classid = hashtext(:family)::oid AND objid = hashtext(:schema)::oid"
)


def address_file(file: Path) -> Path:
    return file.with_suffix(".url")


def _given() -> sa.URL | None:
    """UsageError names no part of an address that cannot be read: any may be the password."""
    if not (text := os.environ.get(VARIABLE)):
        return None
    try:
        address = sa.make_url(text)
    except sa.exc.ArgumentError:
        address = None
    if address is None or address.get_backend_name() != "postgresql":
        raise UsageError(
            f"{VARIABLE} must be an address such as {EXAMPLE}; correct it, or unset it for a file"
        ) from None
    return address


def _public(address: sa.URL) -> sa.URL:
    """Without what says who asks."""
    nobody = sa.URL.create(address.drivername, None, None, address.host, address.port, address.database, address.query)
    return nobody.difference_update_query(SECRETS)


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)

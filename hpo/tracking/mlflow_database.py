"""The database of MLflow, where a driver opens it itself: made whole or not at all, and upgraded the same way.

A SQLite file is the usual one of a folder without a tracking server. What a server's database needs is done there.
"""

import os
import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from filelock import FileLock

from train_fn.cache import FOLDER, LIMIT_GB, made_once
from train_fn.errors import DataError

SQLITE = "sqlite:///"
CACHE = Path(FOLDER)
TABLES = "tables.db"


def file_of(uri: str) -> Path | None:
    """None for a server's address."""
    return Path(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None


def make(uri: str) -> None:
    """Give a new database its name only when all its tables are there, and an old one the tables of this MLflow.

    They take seconds: a driver that is killed meanwhile leaves no half of a database, which MLflow would refuse for
    ever; and of several drivers that begin at once, one is the first and the others take its.
    """
    path = file_of(uri)
    if path is None:
        return
    if path.exists():
        upgrade(path)
    else:
        with _new(path) as unnamed, suppress(FileExistsError):
            os.link(unnamed, path)


def upgrade(path: Path) -> Path | None:
    """Bring an older MLflow's database to this one's tables; the copy of it as it was, or None where nothing was to do.

    The copy is upgraded, not the file: whatever ends this in between leaves the old tables. Of several drivers that
    come at once one does it. MLflow's own way is to upgrade in place, without a copy where it finds a table missing.
    """
    from mlflow.store.db.utils import _get_latest_schema_revision

    newest = _get_latest_schema_revision()
    if _revision(path) in (newest, None):  # none: no database of MLflow's, and MLflow says so better
        return None
    with FileLock(f"{path}.lock"):
        before = _revision(path)
        if before in (newest, None) or not _known(str(before)):
            return None  # another driver was quicker, or a newer MLflow was
        backup = path.with_name(f"{path.name}.before-{newest}")
        unnamed = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
        try:
            for copy in (backup, unnamed):
                with closing(sqlite3.connect(path)) as old, closing(sqlite3.connect(copy)) as new:
                    old.backup(new)
            _upgrade(unnamed)
            with closing(sqlite3.connect(unnamed)) as new, closing(sqlite3.connect(path)) as old:
                new.backup(old)  # one transaction, in the same file: somebody may have it open
        finally:
            unnamed.unlink(missing_ok=True)
        return backup


def make_anew(uri: str) -> None:
    """In the same file: MLflow may have it open."""
    path = file_of(uri)
    assert path is not None, uri
    with _new(path) as unnamed, closing(sqlite3.connect(unnamed)) as new, closing(sqlite3.connect(path)) as old:
        new.backup(old)


@contextmanager
def _new(path: Path) -> Iterator[Path]:
    """One with all tables, under another name beside it."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    unnamed = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        if tables := _tables():
            shutil.copyfile(tables, unnamed)
        SqlAlchemyStore(f"{SQLITE}{unnamed}", "./mlruns").engine.dispose()  # makes those that are not there
        yield unnamed
    finally:
        unnamed.unlink(missing_ok=True)


def _tables() -> Path | None:
    """A database of this MLflow's tables without a row, made once on each machine: its migrations take seconds.

    None where there is no room for it.
    """
    from mlflow.store.db.utils import _get_latest_schema_revision, _initialize_tables, create_sqlalchemy_engine

    def fill(folder: Path) -> None:
        engine = create_sqlalchemy_engine(f"{SQLITE}{folder / TABLES}")
        try:
            _initialize_tables(engine)
        finally:
            engine.dispose()

    revision = _get_latest_schema_revision()
    try:
        tables = made_once(CACHE.expanduser() / "mlflow" / revision, fill, LIMIT_GB) / TABLES
    except (DataError, OSError):
        return None
    return tables if _revision(tables) == revision else None


def _revision(path: Path) -> str | None:
    """By alembic, which MLflow's tables are made with."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(found[0]) if found else None
    except sqlite3.DatabaseError:
        return None


def _known(revision: str) -> bool:
    from alembic.script import ScriptDirectory
    from mlflow.store.db.utils import _get_alembic_config

    script = ScriptDirectory.from_config(_get_alembic_config(db_url=""))
    return revision in {one.revision for one in script.walk_revisions()}


def _upgrade(path: Path) -> None:
    from mlflow.store.db.utils import _upgrade_db, create_sqlalchemy_engine

    engine = create_sqlalchemy_engine(f"{SQLITE}{path}")
    try:
        _upgrade_db(engine)
    finally:
        engine.dispose()


def holds_nothing(path: Path) -> bool:
    """Neither a run nor a model: its making was broken off. Of what is no database that cannot be said."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            [found] = connection.execute("SELECT EXISTS (SELECT 1 FROM runs UNION SELECT 1 FROM registered_models)")
        return not found[0]
    except sqlite3.DatabaseError:
        return False

"""The database of a folder keeps up with MLflow: once, whole, and with a copy of what was before."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory

from hpo.tracking.mlflow_database import SQLITE, make, upgrade


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A database as the MLflow of some migrations ago left it, with an experiment in it."""
    from mlflow.store.db.utils import _get_alembic_config, create_sqlalchemy_engine
    from mlflow.store.tracking.dbmodels.initial_models import Base as InitialBase

    path = tmp_path / "mlflow.db"
    engine = create_sqlalchemy_engine(f"{SQLITE}{path}")
    InitialBase.metadata.create_all(engine)
    config = _get_alembic_config(f"{SQLITE}{path}")
    revisions = [one.revision for one in ScriptDirectory.from_config(config).walk_revisions()]
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revisions[10])
    engine.dispose()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO experiments (name, lifecycle_stage) VALUES ('kept', 'active')")
        connection.commit()
    return path


def revision(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def names(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM experiments")}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection:UserWarning")
def test_an_older_database_is_upgraded_once_and_a_copy_stays(old: Path) -> None:
    before, found = revision(old), []
    drivers = [threading.Thread(target=lambda: found.append(upgrade(old))) for _ in range(3)]
    for driver in drivers:
        driver.start()
    for driver in drivers:
        driver.join()
    [backup] = [path for path in found if path]
    assert revision(old) != before and "kept" in names(old)
    assert revision(backup) == before and "kept" in names(backup)
    assert upgrade(old) is None and not list(old.parent.glob(".*.tmp"))


def test_an_upgrade_that_fails_leaves_the_old_tables(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = old.read_bytes()

    def fails(_: Path) -> None:
        raise OSError("the machine went down")

    monkeypatch.setattr("hpo.tracking.mlflow_database._upgrade", fails)
    with pytest.raises(OSError, match="went down"):
        make(f"{SQLITE}{old}")
    assert old.read_bytes() == before and not list(old.parent.glob(".*.tmp"))


def test_a_database_of_a_newer_mlflow_is_left_alone(old: Path) -> None:
    with closing(sqlite3.connect(old)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'of the future'")
        connection.commit()
    before = old.read_bytes()
    assert upgrade(old) is None and old.read_bytes() == before


def schema(path: Path) -> list[tuple[str, str, list[str]]]:
    """Columns and constraints of a table in alphabetical order: alembic writes constraints in any."""
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()
    return [(kind, name, sorted(line.strip(" \t,") for line in (sql or "").splitlines())) for kind, name, sql in found]


def artifacts(path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.execute("SELECT name, artifact_location FROM experiments"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection:UserWarning")
def test_a_database_of_tables_kept_from_another_is_the_one_that_mlflow_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    monkeypatch.setattr("hpo.tracking.mlflow_database.CACHE", tmp_path / "cache")
    folders = [tmp_path / name for name in ("first", "second", "mlflow's")]
    for folder in folders:
        folder.mkdir()
        monkeypatch.chdir(folder)
        uri = f"{SQLITE}{folder / 'mlflow.db'}"
        make(uri) if folder is not folders[-1] else SqlAlchemyStore(uri, "./mlruns").engine.dispose()
    first, second, plain = (folder / "mlflow.db" for folder in folders)
    assert schema(first) == schema(second) == schema(plain) and revision(second) == revision(plain)
    assert artifacts(second) == [("Default", str(folders[1] / "mlruns" / "0"))]

    [kept] = (tmp_path / "cache").rglob("tables.db")
    kept.write_bytes(b"damaged")
    another = tmp_path / "another.db"
    make(f"{SQLITE}{another}")
    assert schema(another) == schema(plain)

"""The same ledger on a PostgreSQL server: several studies, one driver each, nothing lost, and no password anywhere."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from multiprocessing import get_context
from pathlib import Path
from random import Random

import pytest
import sqlalchemy as sa

from hpo import results
from hpo.doctor import Finding, Orders, examine_study
from hpo.driver import start
from hpo.errors import DiskError, Resumable, UsageError
from hpo.history import State, fold
from hpo.ledger import Ledger
from hpo.ledger_server import VARIABLE, address_file
from hpo.paths import StudyPaths
from hpo.study_lock import is_locked, study_lock
from tests.faults.kills import wait_for_commits
from tests.faults.session import judge, session, study
from tests.hpo.engines import toy_study
from tests.postgresql import PASSWORD, USER, Cluster
from tests.test_main_job import HPO, hpo

hard = pytest.mark.hard


@pytest.fixture
def server(postgresql: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setenv(VARIABLE, postgresql.url)
    return postgresql


@pytest.fixture
def paths(server: Cluster, tmp_path: Path) -> Iterator[StudyPaths]:
    """A study with one trial asked."""
    paths = StudyPaths(tmp_path / "lwlrd")
    paths.root.mkdir()
    with closing(Ledger(paths.ledger, create=True)) as ledger:
        ledger.append("asked", params={"x": 1.5, "name": "größe"})
    yield paths


@hard
def test_events_come_back_as_they_were_returned(paths: StudyPaths) -> None:
    with closing(Ledger(paths.ledger)) as ledger, closing(Ledger(paths.ledger)) as reader:
        with ledger.transaction():
            second = ledger.append("started", 0, 1)
            third = ledger.append("reported", 0, 1, 1, metrics={"score": float("nan")})
            assert len(reader.events()) == 1, "nothing is seen before its commit"
        assert [event.seq for event in reader.events()] == [1, 2, 3]
        assert reader.events(after=1) == [second, third] and third.payload == {"metrics": {"score": "nan"}}
        with pytest.raises(sa.exc.IntegrityError):
            ledger.append("reported", 0, 1, 1)
        assert not paths.ledger.exists()


@hard
def test_a_whole_study_runs_and_a_database_holds_many(server: Cluster, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        session(tmp_path / name)
        assert judge(tmp_path / name) == []
    with closing(Ledger(study(tmp_path / "a").ledger)) as one, closing(Ledger(study(tmp_path / "b").ledger)) as other:
        assert [event.kind for event in one.events()] == [event.kind for event in other.events()]
        assert one.events() != other.events(), "two studies of one name do not meet"


@hard
def test_the_study_is_listed_and_read_by_name(server: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert results.all_names() == ["scripted"]
    with closing(Ledger(StudyPaths.of("scripted").ledger)) as ledger:
        assert {trial.state for trial in fold(ledger.events()).trials} == {State.COMPLETE}


@hard
def test_another_machine_needs_the_address_alone_and_sees_that_the_study_is_run(
    paths: StudyPaths, tmp_path: Path
) -> None:
    there = StudyPaths(tmp_path / "elsewhere" / "lwlrd")
    there.root.mkdir(parents=True)
    shutil.copy(address_file(paths.ledger), there.root)
    with closing(Ledger(there.ledger)) as ledger:
        assert [event.kind for event in ledger.events()] == ["asked"]
    assert not is_locked(there)
    with study_lock(paths):
        assert is_locked(there)
        with pytest.raises(Resumable, match="is being run by pid"), study_lock(there):
            pass
    assert not is_locked(there)


@hard
def test_every_verb_finds_the_study_and_no_file_holds_the_password(server: Cluster, folder: Path) -> None:
    shutil.copy(Path(__file__).parents[1] / "toy.py", folder / "toy.py")
    (folder / "study.yaml").write_text(
        "study: toy\ntrainable: toy:epochs\nobjective: {maximize: score}\nconfig: {max_epochs: 2}\n"
        "search_space: {x: {uniform: [-5.0, 5.0]}}\nsearch: {searcher: random, scheduler: fifo, trials: 3}\n"
    )
    hpo(folder, "run", "study.yaml", "--in-process")
    [status] = json.loads(hpo(folder, "status", "--json").stdout)
    assert status["study"] == "toy" and status["state"] == "finished"
    assert len(json.loads(hpo(folder, "show", "toy", "--json").stdout)["trials"]) == 3
    hpo(folder, "resume", "toy", "--in-process")
    doctor = subprocess.run([HPO, "doctor", "toy", "--dry-run"], cwd=folder, capture_output=True, text=True)
    of_study = [line for line in doctor.stdout.splitlines() if line.split()[1] == "toy:"]
    assert len(of_study) > 3 and all(line.startswith("ok ") for line in of_study), doctor.stdout
    assert not (folder / "studies" / "toy" / "ledger.db").exists()
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files and not [path for path in files if PASSWORD.encode() in path.read_bytes()]


@hard
def test_user_and_password_are_neither_stored_nor_said(
    paths: StudyPaths, server: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = address_file(paths.ledger).read_text()
    with closing(Ledger(paths.ledger)) as ledger:
        said += str(ledger.place)
    behind = server.url.replace(f"{USER}:{PASSWORD}@", "") + f"?user={USER}&password={PASSWORD}&connect_timeout=5"
    with monkeypatch.context() as patch:
        patch.setenv(VARIABLE, behind)
        with closing(Ledger(paths.root.parent / "ledger.db", create=True)) as ledger:
            said += str(ledger.place) + address_file(ledger.path).read_text()
    wrong = server.url.replace(PASSWORD, "another-s3cret")
    for variables in ({VARIABLE: wrong}, {VARIABLE: ""}, {VARIABLE: "mysql://u:s3cret@host/x"}, {VARIABLE: "s3cret"}):
        with monkeypatch.context() as patch:
            patch.setenv(VARIABLE, variables[VARIABLE])
            with pytest.raises((Resumable, UsageError)) as caught:
                Ledger(paths.ledger)
            said += f"\n{caught.value}"
    assert "password authentication failed" in said and "must be an address such as" in said
    assert "connect_timeout=5" in said and "s3cret" not in said and USER not in said
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("PGUSER", USER)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    with closing(Ledger(paths.ledger)) as ledger:
        assert len(ledger.events()) == 1, "PostgreSQL's own variables are enough"


@hard
def test_a_driver_on_another_machine_is_refused_and_told_the_owner(paths: StudyPaths) -> None:
    with study_lock(paths):
        paths.lock.rename(paths.root / "of-this-machine")
        with pytest.raises(Resumable, match=f"is being run by pid {os.getpid()} on "), study_lock(paths):
            pass
        paths.lock.unlink()
    with study_lock(paths):
        pass


@hard
def test_of_two_writers_that_broke_the_lock_one_is_refused(paths: StudyPaths) -> None:
    with closing(Ledger(paths.ledger)) as ledger, closing(Ledger(paths.ledger)) as other:
        ledger.append("asked", params={})
        other.append("asked", params={})
        with pytest.raises(Resumable, match="another driver has written to"):
            ledger.append("asked", params={})


@hard
def test_a_server_that_dies_stops_the_study_and_loses_nothing(paths: StudyPaths, server: Cluster) -> None:
    with ExitStack() as stack:
        stack.enter_context(study_lock(paths))
        ledger = stack.enter_context(closing(Ledger(paths.ledger)))
        ledger.append("asked", params={})
        server.kill()
        with pytest.raises(Resumable, match="cannot be used: .*; mend that, then run or resume lwlrd again"):
            ledger.append("asked", params={})
        with pytest.raises(Resumable, match="takes nothing after an error"):
            ledger.append("asked", params={})
        with pytest.raises(Resumable, match="Connection refused"):
            Ledger(paths.ledger)
        server.start()
    with study_lock(paths), closing(Ledger(paths.ledger)) as ledger:
        assert [event.seq for event in ledger.events()] == [1, 2]
        assert ledger.append("asked", params={}).seq == 3


@hard
def test_killed_writers_lose_nothing(server: Cluster, tmp_path: Path) -> None:
    context = get_context("spawn")
    rng = Random(0)
    for _ in range(12):
        writer = context.Process(target=session, args=(tmp_path, 10**6, False))
        writer.start()
        wait_for_commits(tmp_path / "witness", rng.randint(1, 6), writer)
        writer.kill()
        writer.join()
        assert writer.exitcode == -9 and judge(tmp_path) == []


@hard
def test_a_commit_is_synchronised_whatever_the_server_does_by_itself(paths: StudyPaths, server: Cluster) -> None:
    with closing(Ledger(paths.ledger)) as ledger:
        with ledger.place.engine.begin() as connection:
            connection.exec_driver_sql(f"ALTER ROLE {USER} SET synchronous_commit = off")
        ledger.close()
        with ledger.place.engine.connect() as connection:
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"


@hard
def test_a_missing_row_names_the_backup(paths: StudyPaths) -> None:
    with closing(Ledger(paths.ledger)) as ledger:
        ledger.append("asked", params={})
        with ledger.place.engine.begin() as connection:
            connection.exec_driver_sql(f'DELETE FROM "{ledger.place.schema}".events WHERE seq = 1')  # type: ignore[union-attr]
        with pytest.raises(DiskError, match="is damaged: row 1 is missing; restore it from the server's backup"):
            ledger.events()


def test_an_address_is_on_the_disk_before_the_server_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "postgresql+psycopg://user:s3cret@127.0.0.1:9/studies")
    synchronised: list[str] = []
    monkeypatch.setattr("os.fsync", lambda descriptor: synchronised.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    with pytest.raises(Resumable):
        Ledger(tmp_path / "ledger.db", create=True)
    assert synchronised == [str(address_file(tmp_path / "ledger.db"))]


def test_an_address_that_is_damaged_is_one_line(tmp_path: Path) -> None:
    address_file(tmp_path / "ledger.db").write_text("no address\n")
    with pytest.raises(DiskError, match="is damaged: it must hold the address of the ledger"):
        Ledger(tmp_path / "ledger.db")


def test_a_server_that_is_not_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "postgresql+psycopg://user:s3cret@127.0.0.1:9/studies")
    with pytest.raises(Resumable, match=r"127.0.0.1:9/studies \(schema .*Connection refused") as caught:
        Ledger(tmp_path / "ledger.db", create=True)
    assert "s3cret" not in str(caught.value) and "\n" not in str(caught.value)


@hard
def test_the_doctor_looks_at_a_study_on_a_server_and_says_in_one_line_when_it_is_down(
    server: Cluster, folder: Path
) -> None:
    start(toy_study(search={"trials": 2}), text="", in_process=True)

    def said() -> dict[str, Finding]:
        found = list(examine_study(StudyPaths.of("toy"), Orders(repair=True)))
        assert not any(PASSWORD in finding.says or "\n" in finding.says for finding in found)
        return {finding.check: finding for finding in found}

    findings = said()
    assert {finding.state for finding in findings.values()} <= {"ok", "mended"}, findings
    assert findings["ledger"].says.startswith(f"2 trials on postgresql+psycopg://127.0.0.1:{server.port}/studies")
    server.kill()
    try:
        [finding] = said().values()
    finally:
        server.start()
    assert finding.state in ("warning", "fault") and str(server.port) in finding.says

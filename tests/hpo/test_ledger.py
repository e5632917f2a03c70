"""The ledger keeps every event once, in order, under one writer."""

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from hpo.errors import DiskError, Resumable, UsageError
from hpo.ledger import Ledger, is_locked, study_lock
from hpo.paths import StudyPaths


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.db", create=True)


def test_events_come_back_as_they_were_written(ledger: Ledger) -> None:
    first = ledger.append("asked", params={"x": 1.5, "kind": "plain"})
    second = ledger.append("reported", 0, 1, 1, metrics={"score": float("nan")})
    there = Ledger(ledger.path).events()
    assert [event.seq for event in there] == [first.seq, second.seq] == [1, 2]
    assert there[0].payload == {"params": {"x": 1.5, "kind": "plain"}}
    assert there[1].payload == {"metrics": {"score": "nan"}}, "JSON has no nan"
    assert ledger.events(after=1) == there[1:]


def test_the_same_report_is_refused_the_second_time(ledger: Ledger) -> None:
    ledger.append("reported", 0, 1, 1)
    ledger.append("reported", 0, 2, 1)
    with pytest.raises(sa.exc.IntegrityError):
        ledger.append("reported", 0, 1, 1)


def test_a_commit_is_synchronised_to_the_disk(ledger: Ledger) -> None:
    with ledger.engine.connect() as connection:
        assert connection.execute(sa.text("PRAGMA synchronous")).scalar() == 2  # FULL
        assert connection.execute(sa.text("PRAGMA journal_mode")).scalar() == "delete"


def test_the_file_is_the_owners_alone(ledger: Ledger) -> None:
    assert ledger.path.stat().st_mode & 0o077 == 0


def test_a_missing_study_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no study at"):
        Ledger(tmp_path / "none" / "ledger.db")


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"no database at all, " * 100)
    with pytest.raises(DiskError) as caught:
        Ledger(path)
    assert "\n" not in str(caught.value)


def test_a_second_driver_is_refused_and_told_the_owner(tmp_path: Path) -> None:
    paths = StudyPaths(tmp_path)
    hold = (
        "import sys; from pathlib import Path; from hpo.ledger import study_lock; from hpo.paths import StudyPaths\n"
        "with study_lock(StudyPaths(Path(sys.argv[1]))): print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout and holder.stdout.readline() == "held\n"
    assert is_locked(paths)
    with pytest.raises(Resumable, match=f"pid {holder.pid} on "), study_lock(paths):
        pass
    holder.kill()
    holder.communicate()
    with study_lock(paths):  # the kernel freed the dead holder's lock
        assert is_locked(paths)
    assert not is_locked(paths)

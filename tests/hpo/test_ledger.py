"""The ledger keeps every event once, in order, under one writer, and says in one line what keeps it from that."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hpo import ledger_file
from hpo.errors import DiskError, Resumable, UsageError
from hpo.history import State, fold
from hpo.ledger import Ledger
from tests.faults.session import judge, session, study
from tests.faults.traced import in_memory

FIXTURES = Path(__file__).parents[1] / "fixtures"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path / "ledger.db", create=True)) as made:
        yield made


def rows(path: Path) -> list[Any]:
    with closing(Ledger(path)) as opened:
        return opened.events()


def test_events_come_back_as_they_were_returned(ledger: Ledger) -> None:
    first = ledger.append("asked", params={"x": 1.5, "kind": "plain"})
    second = ledger.append("reported", 0, 1, 1, metrics={"score": float("nan")}, also=(1, float("-inf")))
    assert rows(ledger.path) == [first, second]
    assert (first.seq, second.seq) == (1, 2)
    assert first.payload == {"params": {"x": 1.5, "kind": "plain"}}
    assert second.payload == {"metrics": {"score": "nan"}, "also": [1, "-inf"]}, "JSON has no nan"
    assert ledger.events(after=1) == [second]


def test_what_is_appended_in_a_transaction_is_there_whole_or_not_at_all(ledger: Ledger) -> None:
    with ledger.transaction():
        ledger.append("asked", params={})
        with ledger.transaction():
            ledger.append("started", 0, 1)
        assert rows(ledger.path) == [], "nothing is seen before its commit"
    assert [event.kind for event in rows(ledger.path)] == ["asked", "started"]
    with pytest.raises(KeyError), ledger.transaction():
        ledger.append("reported", 0, 1, 1)
        raise KeyError
    assert len(rows(ledger.path)) == 2


def test_nothing_is_taken_after_an_error(ledger: Ledger) -> None:
    """What is on the disk is not known then, and what the driver holds in memory may be more."""
    with pytest.raises(KeyError), ledger.transaction():
        raise KeyError
    with pytest.raises(Resumable, match="takes nothing after an error; `hpo resume"):
        ledger.append("asked", params={})
    assert rows(ledger.path) == []


def test_the_same_report_is_refused_the_second_time(ledger: Ledger) -> None:
    ledger.append("reported", 0, 1, 1)
    ledger.append("reported", 0, 2, 1)
    ledger.append("lost", 0, 1, 1)
    with pytest.raises(sa.exc.IntegrityError):
        ledger.append("reported", 0, 1, 1)


def test_of_two_writers_that_broke_the_lock_one_is_refused(ledger: Ledger) -> None:
    ledger.append("asked", params={})
    with closing(Ledger(ledger.path)) as other:
        other.append("asked", params={})
        with pytest.raises(Resumable, match="another driver has written to"):
            ledger.append("asked", params={})
        other.append("asked", params={})
    assert [event.seq for event in rows(ledger.path)] == [1, 2, 3]


def test_a_commit_is_synchronised_to_the_disk(ledger: Ledger) -> None:
    with ledger.place.engine.connect() as connection:
        assert connection.execute(sa.text("PRAGMA synchronous")).scalar() == 2  # FULL
        assert connection.execute(sa.text("PRAGMA journal_mode")).scalar() == "persist"


def test_a_reader_sees_the_ledger_while_a_writer_has_it_open(ledger: Ledger) -> None:
    ledger.append("asked", params={})
    code = "import sys, pathlib; from hpo.ledger import Ledger; print(len(Ledger(pathlib.Path(sys.argv[1])).events()))"
    with ledger.transaction():
        ledger.append("asked", params={})
        done = subprocess.run([sys.executable, "-c", code, str(ledger.path)], capture_output=True, text=True)
    assert done.stdout == "1\n", done.stderr
    assert len(rows(ledger.path)) == 2


def test_the_files_are_the_owners_alone(ledger: Ledger) -> None:
    ledger.append("asked", params={})
    assert {path.name for path in ledger.path.parent.iterdir()} == {"ledger.db", "ledger.db-journal"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in ledger.path.parent.iterdir())


@pytest.mark.parametrize("name", ["a b", "50%", "what?", "#1", "größe", "a&mode=memory"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    path = tmp_path / name / "ledger.db"
    with closing(Ledger(path, create=True)) as made:
        made.append("asked", params={})
    assert path.stat().st_size > 0 and len(rows(path)) == 1


def test_a_missing_study_is_named_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no study at"):
        Ledger(tmp_path / "none" / "ledger.db")
    assert list(tmp_path.iterdir()) == []


def test_a_ledger_is_never_made_over_another(ledger: Ledger) -> None:
    ledger.append("asked", params={})
    with pytest.raises(FileExistsError):
        Ledger(ledger.path, create=True)
    assert len(rows(ledger.path)) == 1


def test_a_newer_ledger_is_refused(ledger: Ledger) -> None:
    with closing(sqlite3.connect(ledger.path)) as connection, connection:
        connection.execute("UPDATE schema SET version = 99")
    with pytest.raises(UsageError, match="has schema version 99, this hpo reads 1"):
        Ledger(ledger.path)


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("ledger_v*.sql")), ids=lambda path: path.stem)
def test_a_ledger_of_every_version_still_opens(path: Path, tmp_path: Path) -> None:
    """The files stay for ever: each is a study that an earlier hpo wrote, with all that can happen to a trial."""
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection:
        connection.executescript(path.read_text(encoding="utf-8"))
    with closing(Ledger(tmp_path / "ledger.db")) as old:
        history = fold(old.events())
        states = [trial.state for trial in history.trials]
        assert {State.COMPLETE, State.PRUNED, State.DIVERGED, State.FAILED} <= set(states) and history.finished
        assert history.record["spec"]["study"] and any(trial.attempt == 2 for trial in history.trials)
        last = old.events()[-1].seq
        assert old.append("test_opened", 0).seq == last + 1, "and is gone on with"


def test_a_ledger_cut_at_any_of_its_last_4096_bytes_opens_or_names_the_doctor() -> None:
    with in_memory() as folder:
        session(folder, checkpoints=False)
        path = study(folder).ledger
        whole, data = rows(path), path.read_bytes()
        for cut in range(1, 4097):
            path.write_bytes(data[:-cut])
            try:
                assert rows(path) == whole, f"{cut} bytes cut"
            except DiskError as error:
                assert "`hpo doctor`" in str(error) and "\n" not in str(error), f"{cut} bytes cut"


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM events WHERE seq = 3",
        "UPDATE events SET payload = '{' WHERE seq = 3",
        "UPDATE events SET payload = CAST(x'ff22' AS TEXT) WHERE seq = 3",
        "DROP TABLE events",
        "DROP TABLE schema",
        "DELETE FROM schema",
    ],
)
def test_a_ledger_with_rows_missing_or_unreadable_names_the_doctor(tmp_path: Path, damage: str) -> None:
    session(tmp_path, trials=1, checkpoints=False)
    path = study(tmp_path).ledger
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(damage)
    with pytest.raises(DiskError, match="is damaged: .*`hpo doctor` says what can be saved"):
        rows(path)


def test_no_database_at_all_is_one_line(tmp_path: Path) -> None:
    for content in (b"", b"no database at all, " * 1000):
        (tmp_path / "ledger.db").write_bytes(content)
        with pytest.raises(DiskError, match="is damaged: .*`hpo doctor`") as caught:
            Ledger(tmp_path / "ledger.db")
        assert "\n" not in str(caught.value)


def test_a_full_database_stops_the_study_at_any_page_and_it_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with in_memory() as folder:
        (folder / "whole").mkdir()
        session(folder / "whole")
        needed = study(folder / "whole").ledger.stat().st_size // 4096
        stopped = 0
        durable = ledger_file._make_durable
        for pages in range(1, needed + 1):
            place = folder / str(pages)
            place.mkdir()

            def limited(connection: Any, record: Any, pages: int = pages) -> None:
                durable(connection, record)
                connection.execute(f"PRAGMA max_page_count={pages}")

            with monkeypatch.context() as patch:
                patch.setattr(ledger_file, "_make_durable", limited)
                try:
                    session(place)
                except DiskError as error:
                    stopped += 1
                    assert "database or disk is full" in str(error) and " needed, " in str(error)
            assert judge(place) == []
            session(place)
            assert judge(place) == []
        assert stopped == needed - 1, "every limit but the last was met"


def test_a_ledger_that_vanishes_is_not_made_anew(ledger: Ledger) -> None:
    ledger.append("asked", params={})
    ledger.path.unlink()
    with pytest.raises(DiskError, match="cannot be used"):
        ledger.append("asked", params={})
    assert not ledger.path.exists()


def test_a_reader_makes_no_ledger_where_one_was(ledger: Ledger) -> None:
    ledger.close()
    ledger.path.unlink()
    with pytest.raises(DiskError, match="unable to open database file"):
        ledger.events()
    assert not ledger.path.exists()


def test_a_ledger_that_is_replaced_is_not_written_to(ledger: Ledger, tmp_path: Path) -> None:
    ledger.append("asked", params={})
    copy = tmp_path / "copy.db"
    copy.write_bytes(ledger.path.read_bytes())
    copy.replace(ledger.path)
    before = ledger.path.read_bytes()
    with pytest.raises(DiskError, match="cannot be used"):
        ledger.append("asked", params={})
    assert ledger.path.read_bytes() == before


def test_a_folder_that_vanishes_stays_away(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    with closing(Ledger(tmp_path / "study" / "ledger.db", create=True)) as ledger:
        (tmp_path / "study").rename(tmp_path / "elsewhere")
        with pytest.raises(DiskError, match="cannot be used"):
            ledger.append("asked", params={})
        assert not (tmp_path / "study").exists()
    assert rows(tmp_path / "elsewhere" / "ledger.db") == []

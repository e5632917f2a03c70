"""What is read out of a damaged ledger was written, and all of it that is left is read."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpo.doctor.salvage import events
from hpo.event import Event
from hpo.ledger import Ledger

PAGE = 4096


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, dict[int, Event]]:
    """A file of 1,500 events, deep enough for inner pages, with rows of 40 bytes up to five pages. Seed 0."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    source = random.Random(0)
    with closing(Ledger(path, create=True)) as ledger:
        with ledger.transaction():
            ledger.append("study", spec={"study": "x"}, text="# ü\n" * 3000)
            for number in range(1499):
                length = source.choice([0, 5, 300, 3000, 4050, 4061, 4062, 9000]) if number % 10 == 0 else 40
                ledger.append("reported", number, 1, number, metrics={"f1": source.random()}, words="x" * length)
        return path.read_bytes(), {event.seq: event for event in ledger.events()}


def test_of_a_whole_file_every_row_is_read_as_it_was_written(written: tuple[bytes, dict[int, Event]]) -> None:
    data, rows = written
    assert events(data) == rows


@settings(max_examples=60, deadline=None)
@given(share=st.floats(0, 1))
def test_of_a_file_that_was_cut_off_rows_are_lost_but_never_altered(
    written: tuple[bytes, dict[int, Event]], share: float
) -> None:
    data, rows = written
    saved = events(data[: int(share * len(data))])
    assert saved.items() <= rows.items()


def test_of_a_file_that_was_cut_in_half_about_half_is_saved(written: tuple[bytes, dict[int, Event]]) -> None:
    data, rows = written
    assert len(events(data[: len(data) // 2])) > 0.4 * len(rows)


@settings(max_examples=30, deadline=None)
@given(page=st.integers(0, 400), fill=st.sampled_from([b"\0", b"\xff", b"\x0d"]))
def test_of_a_page_that_was_overwritten_at_most_its_own_rows_are_lost(
    written: tuple[bytes, dict[int, Event]], page: int, fill: bytes
) -> None:
    data, rows = written
    page %= len(data) // PAGE
    saved = events(data[: page * PAGE] + fill * PAGE + data[(page + 1) * PAGE :])
    assert saved.items() <= rows.items()
    assert len(rows) - len(saved) <= PAGE // 40


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_noise_is_never_an_error(written: tuple[bytes, dict[int, Event]], seed: int) -> None:
    """A byte may change what a row says, and SQLite has no checksums: only that reading goes on is claimed."""
    data, _ = written
    source, damaged = random.Random(seed), bytearray(data)
    for _ in range(1000):
        damaged[source.randrange(len(data))] = source.randrange(256)
    assert len(events(bytes(damaged))) > 0


@pytest.mark.parametrize("data", [b"", b"SQLite format 3\0", bytes(PAGE), b"no database at all" * 1000])
def test_of_nothing_nothing_is_read(data: bytes) -> None:
    assert events(data) == {}


@pytest.mark.parametrize("seed", range(4))
def test_no_row_is_missed_that_sqlite_itself_still_finds(
    written: tuple[bytes, dict[int, Event]], tmp_path: Path, seed: int
) -> None:
    """Eight pages are lost, and the tail; SQLite is asked for each row by its number."""
    data, source = bytearray(written[0]), random.Random(seed)
    for _ in range(8):
        at = source.randrange(1, len(data) // PAGE) * PAGE
        data[at : at + PAGE] = bytes(PAGE)
    del data[source.randrange(len(data) // 2, len(data)) :]
    (tmp_path / "damaged.db").write_bytes(data)
    found = set()
    with closing(sqlite3.connect(tmp_path / "damaged.db")) as damaged:
        damaged.execute("PRAGMA writable_schema=ON")  # a file shorter than its header says is opened all the same
        for seq in written[1]:
            try:
                found |= set(damaged.execute("SELECT seq FROM events WHERE seq = ? AND json_valid(payload)", (seq,)))
            except sqlite3.DatabaseError:
                continue
    saved = events(bytes(data))
    assert {seq for (seq,) in found} <= saved.keys() and len(saved) > 100
    print(f"seed {seed}: SQLite found {len(found)}, saved {len(saved)}")


def test_without_any_inner_page_every_row_is_still_read(written: tuple[bytes, dict[int, Event]]) -> None:
    """SQLite then finds none: it reads from the root down."""
    data, rows = bytearray(written[0]), written[1]
    inner = [at for at in range(0, len(data), PAGE) if data[at] == 0x05]
    assert inner
    for at in inner:
        data[at : at + PAGE] = bytes(PAGE)
    assert events(bytes(data)) == rows

"""Whether a ledger is whole, and what `--repair` makes of one that is not: the rows that can be read, in a new file.

Only the rows before the first gap go on as the study: numbers and steps of trials follow from all rows before, so that
one after a gap might be told of the wrong trial. Those are kept beside it, with the damaged file.
"""

import itertools
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from hpo.doctor.finding import Finding, Orders, State, fault, ok
from hpo.doctor.salvage import events
from hpo.doctor.versions import write_ahead
from hpo.errors import HpoError
from hpo.event import Event
from hpo.history import History, fold
from hpo.ledger import SCHEMA_VERSION, Ledger, metadata, place, schema
from hpo.ledger import events as table
from hpo.ledger_file import LedgerFile
from hpo.paths import StudyPaths
from hpo.wording import count
from train_fn.checkpoint import sync

# a journal that stayed beside a file belongs to that file: SQLite would roll a new one of the same name back with it
COMPANIONS = ("-journal", "-wal", "-shm")


def ledger(paths: StudyPaths, orders: Orders) -> Iterator[Finding]:
    name = paths.root.name
    if not isinstance(place(paths.ledger), LedgerFile):
        yield ok("ledger", f"{count(len(read(paths).trials), 'trial')} on {place(paths.ledger)}")
        return
    wrong = damage(paths.ledger)
    if not wrong:
        yield ok("ledger", f"{count(len(read(paths).trials), 'trial')}, every row whole")
        yield from write_ahead(str(paths.ledger))
    elif orders.repair:
        yield _repair(paths, wrong)
    else:
        yield fault("ledger", f"{paths.ledger}: {wrong}; `hpo doctor {name} --repair` saves the rows that can be read")


def read(paths: StudyPaths) -> History:
    """What its whole ledger says."""
    with closing(Ledger(paths.ledger)) as opened:
        return fold(opened.events())


def damage(path: Path) -> str:
    """What is wrong with a ledger, in one line; nothing where it is whole and every event can be understood."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            [said] = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as error:
        said = str(error)
    if said != "ok":
        return " ".join(said.split())[:200]
    try:
        with closing(Ledger(path)) as opened:
            rows = opened.events()
        fold(rows)
    except HpoError as error:
        return str(error)
    except (LookupError, ValueError, TypeError, AttributeError) as error:
        return f"an event cannot be understood ({type(error).__name__}: {error})"
    return "" if rows and rows[0].kind == "study" else "its first row, the study itself, is lost"


def _repair(paths: StudyPaths, wrong: str) -> Finding:
    saved = events(paths.ledger.read_bytes())
    whole = _before_the_first_gap(saved)
    rest = [event for seq, event in saved.items() if seq > len(whole)]
    if not whole:
        return fault(
            "ledger", f"{wrong}; of the study itself, its first row, nothing is left: run it again under a new name"
        )
    names = (paths.ledger.with_name(f"ledger.damaged-{number}.db") for number in itertools.count(1))
    kept = next(name for name in names if not name.exists())
    if rest:
        _write_rest(kept.with_suffix(".rest.jsonl"), rest)
    _take_the_place(paths, kept, whole)
    beside = f", {len(rest)} after a gap are in {kept.with_suffix('.rest.jsonl').name}" if rest else ""
    done = f"{wrong}; {count(len(whole), 'row')} saved{beside}"
    says = f"{done}; the old file is {kept.name}; `hpo resume {paths.root.name}` goes on"
    return Finding(check="ledger", state=State.MENDED, says=says)


def _before_the_first_gap(saved: dict[int, Event]) -> list[Event]:
    """1, 2, 3 ... as far as they can be understood."""
    whole: list[Event] = []
    history = History()
    for seq, event in saved.items():
        if seq != len(whole) + 1 or (seq == 1) != (event.kind == "study"):
            break
        try:
            history.apply(event)
        except (LookupError, ValueError, TypeError, AttributeError):
            break
        whole.append(event)
    return whole


def _write_rest(path: Path, rest: list[Event]) -> None:
    path.write_text("".join(json.dumps(asdict(event)) + "\n" for event in rest), encoding="utf-8")
    sync(path)


def _take_the_place(paths: StudyPaths, kept: Path, whole: list[Event]) -> None:
    """At every moment there is a ledger: the damaged one, then the new one."""
    new = paths.ledger.with_name("ledger.new.db")
    new.unlink(missing_ok=True)
    LedgerFile(new).create(metadata, schema.insert().values(version=SCHEMA_VERSION))
    with closing(Ledger(new)) as ledger, ledger.transaction() as connection:
        connection.execute(table.insert(), [asdict(event) for event in whole])
    os.link(paths.ledger, kept)
    for companion in COMPANIONS:
        beside = Path(f"{paths.ledger}{companion}")
        if beside.exists():
            beside.rename(f"{kept}{companion}")
    os.replace(new, paths.ledger)
    sync(paths.root)

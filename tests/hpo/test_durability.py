"""Whatever ends a study and whenever: what was acknowledged is there, once and whole, and the study goes on from it."""

import os
import pwd
import re
import shutil
from collections.abc import Callable
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path

import pytest

from hpo.errors import DiskError
from hpo.ledger import Ledger
from hpo.ledger_file import LedgerFile
from tests.faults.kills import random_kills
from tests.faults.power_loss import path_of, power_losses
from tests.faults.session import judge, session, study
from tests.faults.traced import Point, at_each, in_memory, missing

hard = pytest.mark.hard
traced = pytest.mark.skipif(bool(missing()), reason=f"{missing()}: apt-get install strace")


def assert_each_resumes(points: list[Point]) -> None:
    for point in points:
        assert judge(point.folder) == [], point
        session(point.folder)
        assert judge(point.folder) == [], point


@hard
@pytest.mark.timeout(1200)
def test_a_thousand_kills_lose_nothing(tmp_path: Path) -> None:
    done = random_kills(tmp_path, kills=1000, seed=0)
    print(f"{done.kills} kills of a writer, {done.commits} commits acknowledged")
    assert done.wrong == [] and done.kills == 1000 and done.commits > 1000


@hard
@traced
@pytest.mark.parametrize("call", ["fsync", "fdatasync", "rename"])
def test_a_kill_at_any_point_of_durability_loses_nothing(call: str) -> None:
    with in_memory() as folder:
        points = at_each(call, "signal=KILL", folder)
        print(f"killed at each of {len(points)} calls of {call}")
        assert {point.code for point in points} == {-9}
        assert_each_resumes(points)


@hard
@traced
@pytest.mark.parametrize("call", ["fsync", "fdatasync"])
def test_a_failed_synchronisation_ends_the_study_with_74(call: str) -> None:
    """And nothing is acknowledged after it, or the judge would miss it when a later one was lost."""
    with in_memory() as folder:
        points = at_each(call, "error=EIO", folder)
        for point in points:
            # SQLite hears of no failure of a folder; its journal is there from the beginning, and the driver sees to it
            of_folder = re.search(r"/scripted>\)", point.at) and call == "fdatasync"
            assert point.code == (0 if of_folder else DiskError.exit_code), point
            assert point.code == 0 or point.said.startswith("DiskError: "), point
        assert_each_resumes(points)


@hard
@traced
@pytest.mark.parametrize("call", ["pwrite64", "write", "ftruncate"])
def test_a_disk_that_fills_up_at_any_write_ends_the_study_with_74(call: str) -> None:
    with in_memory() as folder:
        points = at_each(call, "error=ENOSPC", folder, ever_after=True)
        print(f"no space from each of {len(points)} calls of {call} on")
        for point in points:
            assert point.code == DiskError.exit_code, point
            assert " needed, " in point.said and point.said.startswith("DiskError: /"), point
        assert_each_resumes(points)


@hard
@traced
def test_a_power_failure_loses_nothing() -> None:
    loss = power_losses(most=2000, seed=0)
    print(f"{loss.states} states after {loss.calls} calls")
    assert loss.wrong == [] and loss.states == 2000


@traced
def test_a_power_failure_loses_nothing_in_a_few_states() -> None:
    loss = power_losses(most=150, seed=1)
    assert loss.wrong == [] and loss.states == 150


@traced
def test_no_folder_needs_to_be_synchronised_by_sqlite() -> None:
    """It goes on where that fails: what the driver does itself is enough."""
    loss = power_losses(150, 2, keep=lambda name, arguments: not (name == "fdatasync" and folder_of_ledger(arguments)))
    assert loss.wrong == []


def folder_of_ledger(arguments: str) -> bool:
    return path_of(arguments).endswith("/scripted")


@hard
@traced
@pytest.mark.parametrize(
    "left_out",
    [
        lambda name, path: name == "fdatasync" and path.endswith("ledger.db"),
        lambda name, path: name == "fdatasync" and path.endswith("ledger.db-journal"),
        lambda name, path: name == "fsync" and path.endswith("/studies"),
        lambda name, path: name == "fsync" and path.endswith("/state"),
        lambda name, path: name == "fsync" and path.endswith(".tmp"),
        lambda name, path: name == "fsync" and re.search(r"/trials/\d+$", path),
    ],
    ids=["ledger", "journal", "folder of studies", "file of a checkpoint", "checkpoint", "folder of checkpoints"],
)
def test_the_judge_of_power_failures_sees_what_is_not_synchronised(left_out: Callable[[str, str], bool]) -> None:
    loss = power_losses(2000, 0, lambda name, arguments: not left_out(name, path_of(arguments)), to_the_first=True)
    assert loss.wrong


def without_rights(folder: Path) -> None:
    """Exit with 0 where a ledger that may not be written says so, and keeps what it has."""
    session(folder / "warm")  # what is imported late is imported by now
    place = folder / "place"
    if os.getuid() == 0:  # whom no rights bind
        nobody = pwd.getpwnam("nobody")
        for path in (place, *place.rglob("*")):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)
    path = study(place).ledger
    whole = LedgerFile(path)
    with closing(Ledger(path)) as ledger:
        path.parent.chmod(0o500)
        before = len(ledger.events())
        ledger.append("test_opened", 0)  # the journal is there: nothing new needs to be made in the folder
        path.with_name("ledger.db-journal").chmod(0o400)
        path.chmod(0o400)
    for _ in range(2):
        with closing(Ledger(path)) as ledger:
            try:
                ledger.append("test_opened", 0)
            except DiskError as error:
                assert str(whole) in str(error) and "\n" not in str(error), error
            else:
                raise AssertionError("a read-only ledger was written")
            assert len(ledger.events()) == before + 1


def test_a_ledger_that_may_no_longer_be_written_says_so_and_can_be_read() -> None:
    with in_memory() as folder:
        folder.chmod(0o755)
        for name in ("warm", "place"):
            (folder / name).mkdir()
        session(folder / "place")
        child = get_context("fork").Process(target=without_rights, args=(folder,))
        child.start()
        child.join()
        assert child.exitcode == 0
        shutil.rmtree(folder / "place", ignore_errors=True)

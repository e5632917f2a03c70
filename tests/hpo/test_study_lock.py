"""A study has one driver: a dead one's lock is free at once, and a living one's is never taken, stopped or not."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import pytest

from hpo.driver import catch_up
from hpo.errors import Resumable
from hpo.paths import StudyPaths
from hpo.study_lock import is_locked, study_lock
from tests.hpo.test_engine import new_engine, toy_study

HOLD = """
import os, sys, time
from pathlib import Path
from hpo.paths import StudyPaths
from hpo.study_lock import study_lock
with study_lock(StudyPaths(Path(sys.argv[1]))):
    if sys.argv[2:]:
        pid = os.fork()  # as a loader of data does: it lives on when its driver is killed
        if pid == 0:
            time.sleep(60)
        print(pid, flush=True)
    else:
        print('held', flush=True)
    time.sleep(60)
"""


@pytest.fixture
def paths(tmp_path: Path) -> StudyPaths:
    return StudyPaths(tmp_path)


@contextmanager
def holder(paths: StudyPaths, *words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another driver that has the lock, and what it said."""
    command = [sys.executable, "-c", HOLD, str(paths.root), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            said = process.stdout.readline()
            assert said, "it came to have the lock"
            yield process, said
        finally:
            process.kill()


def test_a_second_driver_is_refused_and_told_the_owner(paths: StudyPaths) -> None:
    with holder(paths) as (process, _):
        assert is_locked(paths)
        with pytest.raises(Resumable, match=f"is being run by pid {process.pid} on .*; wait for it, or stop it"):
            with study_lock(paths):
                pass


def test_a_killed_drivers_lock_is_free_at_once(paths: StudyPaths) -> None:
    with holder(paths) as (process, _):
        process.kill()
        process.wait()
        with study_lock(paths):
            assert is_locked(paths) and paths.lock.read_text().startswith(f"pid {os.getpid()} on ")
    assert not is_locked(paths)


def test_a_child_that_outlives_its_driver_does_not_keep_the_lock(paths: StudyPaths) -> None:
    with holder(paths, "fork") as (process, child):
        process.kill()
        process.wait()
        try:
            os.kill(int(child), 0)
            with study_lock(paths):
                pass
        finally:
            os.kill(int(child), signal.SIGKILL)


def test_a_stopped_driver_keeps_its_lock(paths: StudyPaths) -> None:
    with holder(paths) as (process, _):
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(Resumable, match=f"pid {process.pid}"), study_lock(paths):
            pass
        process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize(
    "text",
    [f"pid {os.getpid()} on here", f"pid {os.getppid()} on here", "pid 1 on there", "\xff"],
    ids=["ours", "our parent's", "elsewhere", "no text"],
)
def test_a_number_that_another_process_took_over_holds_nothing(paths: StudyPaths, text: str) -> None:
    paths.lock.write_text(text, encoding="latin-1")
    assert not is_locked(paths)
    with study_lock(paths):
        assert is_locked(paths)


def test_the_lock_is_the_owners_alone(paths: StudyPaths) -> None:
    with study_lock(paths):
        assert paths.lock.stat().st_mode & 0o077 == 0


def test_mlflow_is_brought_up_to_date_under_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    study = new_engine(tmp_path, toy_study())
    study.ledger.close()
    with study_lock(study.paths), pytest.raises(Resumable, match="is being run by"):
        catch_up("toy")


def contend(folder: Path, wait: float) -> None:
    """Exit with 0 for one that got the lock and found itself alone, 75 for one that was refused meanwhile."""
    time.sleep(wait)
    try:
        with study_lock(StudyPaths(folder)):
            (folder / "inside").mkdir()
            while not (folder / "refused").exists():  # the other may be slow to start
                time.sleep(0.01)
            (folder / "inside").rmdir()
    except Resumable:
        (folder / "refused").touch()
        os._exit(75)


@pytest.mark.hard
def test_of_two_drivers_that_start_together_one_goes_on(tmp_path: Path) -> None:
    rng = random.Random(0)
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.hpo.test_study_lock"])
    pairs = []
    for index in range(100):
        folder = tmp_path / str(index)
        folder.mkdir()
        pairs.append([context.Process(target=contend, args=(folder, rng.uniform(0, 0.05))) for _ in range(2)])
        for process in pairs[-1]:
            process.start()
        if index % 10 == 9:
            for pair in pairs[-10:]:
                for process in pair:
                    process.join()
    assert [sorted(process.exitcode or 0 for process in pair) for pair in pairs] == [[0, 75]] * 100

"""The process that keeps a study's views: it brings them to the end of the ledger, and never outlives its driver."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import mlflow
import psutil
import pytest

from hpo import driver
from hpo.ledger import Ledger
from hpo.paths import StudyPaths
from hpo.processes import mentioning
from hpo.results import read
from hpo.segment import Reported
from hpo.stopping import Stop
from hpo.tracking import projection, views
from hpo.tracking.cursor import noted_row
from hpo.tracking.mlflow import tracking_uri
from hpo.tracking.mlflow_runs import active
from hpo.tracking.views import MLFLOW, TENSORBOARD, follow_apart, follow_in_threads
from hpo.worker import run_segment
from tests.hpo.engines import new_engine, run, toy_study

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow's own

VIEWS = [MLFLOW, TENSORBOARD]
DRIVER = f"""
import time
from hpo.paths import StudyPaths
from hpo.processes import mentioning
from hpo.tracking.views import follow_apart
finish = follow_apart(StudyPaths.of("toy"), {VIEWS})
print("begun", flush=True)
time.sleep(600)
"""


def runs() -> int:
    client = mlflow.MlflowClient(tracking_uri=tracking_uri())
    experiment = client.get_experiment_by_name("toy").experiment_id
    return len(list(active(client, experiment, read("toy").history.record["study_id"])))


def of_views() -> list[psutil.Process]:
    return [
        one for one in mentioning("hpo.tracking.views") if "-m" in one.cmdline() and psutil.Process() in one.parents()
    ]


def begun() -> psutil.Process:
    """Just after its start a process may have no command line yet."""
    while not (found := of_views()):
        time.sleep(0.01)
    [process] = found
    return process


@pytest.fixture
def study(folder: Path) -> None:
    run(new_engine(folder, toy_study(search={"trials": 3})))


@pytest.mark.usefixtures("study")
def test_it_brings_every_view_to_the_end_of_the_ledger_whatever_a_terminal_sends_it() -> None:
    finish = follow_apart(StudyPaths.of("toy"), VIEWS)
    process = begun()
    while signal.SIGTERM not in ignored(process):
        time.sleep(0.05)
    for number in (signal.SIGINT, signal.SIGTERM):
        process.send_signal(number)
    assert finish() == {MLFLOW: "", TENSORBOARD: ""}
    assert runs() == 4 and noted_row(StudyPaths.of("toy").root / "tensorboard", read("toy").events)
    assert not of_views()


def ignored(process: psutil.Process) -> set[int]:
    status = Path(f"/proc/{process.pid}/status").read_text()
    mask = int(next(line.split()[1] for line in status.splitlines() if line.startswith("SigIgn")), 16)
    return {number for number in range(1, 32) if mask >> (number - 1) & 1}


@pytest.mark.usefixtures("study")
def test_one_that_was_killed_leaves_its_views_behind_and_says_so() -> None:
    finish = follow_apart(StudyPaths.of("toy"), VIEWS)
    process = begun()
    process.kill()
    while process.status() != psutil.STATUS_ZOMBIE:  # until then it might still take what it is told
        time.sleep(0.01)
    assert finish() == dict.fromkeys(VIEWS, "its process ended with exit code -9")


@pytest.mark.usefixtures("study")
def test_it_ends_with_a_driver_that_is_killed() -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    driver = subprocess.Popen([sys.executable, "-c", DRIVER], stdout=subprocess.PIPE, env=environment)
    assert driver.stdout is not None and driver.stdout.readline() == b"begun\n"
    process = begun()
    driver.kill()
    driver.communicate()
    deadline = time.monotonic() + 30
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "it lives on without its driver"
        time.sleep(0.05)


@pytest.mark.usefixtures("study")
def test_whoever_waits_for_a_server_that_never_answers_hears_what_is_left_and_may_leave(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = len(read("toy").events)
    heard: list[int] = []

    def leave(left: int) -> bool:
        heard.append(left)
        return False

    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        behind = follow_apart(StudyPaths.of("toy"), [MLFLOW])(leave)
    assert heard == [rows] and behind == {MLFLOW: f"{rows} events still to come"}
    assert not of_views(), "it ends where nobody waits for it"


def test_at_the_start_it_gives_way_to_the_workers_until_one_has_reported(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "SECONDS_TO_BEGIN", 600.0)
    engine = new_engine(folder, toy_study(search={"trials": 1}))
    segment = engine.next_segment()
    assert segment
    waits = threading.Thread(target=views.give_way, args=(StudyPaths.of("toy"), threading.Event()), daemon=True)
    waits.start()
    time.sleep(3 * views.LOOK_EVERY)
    assert waits.is_alive(), "a trial has started, and none has reported"
    [first, *_] = run_segment(segment)
    assert isinstance(first, Reported) and engine.reported(segment, first)
    waits.join(60)
    assert not waits.is_alive()
    engine.ledger.close()


def test_it_gives_way_no_longer_than_workers_may_take_and_not_at_the_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_engine(folder, toy_study()).ledger.close()
    finished = threading.Event()
    finished.set()
    monkeypatch.setattr(views, "SECONDS_TO_BEGIN", 600.0)
    views.give_way(StudyPaths.of("toy"), finished)
    monkeypatch.setattr(views, "SECONDS_TO_BEGIN", 0.0)
    views.give_way(StudyPaths.of("toy"), threading.Event())


class Slow:
    """A view that takes its time for each event."""

    def __init__(self, paths: StudyPaths) -> None:
        self.ledger, self.sent, self.row = Ledger(paths.ledger), 0, 0

    def catch_up(self) -> None:
        for _ in self.ledger.events(after=self.row):
            time.sleep(0.01)
            self.row += 1

    def get_ready(self) -> None: ...

    def pause(self) -> None: ...


@pytest.mark.usefixtures("study")
def test_what_is_left_grows_less_until_nothing_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(views.WRITERS, "slow", Slow)
    monkeypatch.setattr(projection, "ASK_EVERY", 0.02)
    heard: list[int] = []

    def stay(left: int) -> bool:
        heard.append(left)
        return True

    assert follow_in_threads(StudyPaths.of("toy"), ["slow"])(stay) == {"slow": ""}
    assert len(heard) > 3 and heard == sorted(heard, reverse=True) and heard[-1] < heard[0]


def test_a_long_wait_is_told_at_each_half_and_left_by_a_new_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "SECONDS_OF_SILENCE", 0.0)
    said: list[str] = []
    stop = Stop()
    go_on = driver.patience("toy", stop, said.append)
    assert all(go_on(left) for left in (9000, 8000, 4400, 4000, 0))
    assert [line.split(" events")[0] for line in said] == ["the views have 9,000", "the views have 4,400"]
    assert "`hpo sync toy` goes on" in said[0]
    stop.asked = signal.SIGINT
    assert not go_on(3000)
    assert driver.patience("toy", stop, said.append)(3000), "the one that stopped the study leaves time for its views"

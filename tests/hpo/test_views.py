"""The process that keeps a study's views: it brings them to the end of the ledger, and never outlives its driver."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import psutil
import pytest

from hpo.paths import StudyPaths
from hpo.processes import mentioning
from hpo.results import read
from hpo.tracking.cursor import noted_row
from hpo.tracking.mlflow import tracking_uri
from hpo.tracking.mlflow_runs import active
from hpo.tracking.views import MLFLOW, TENSORBOARD, follow_apart
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


@pytest.fixture
def study(folder: Path) -> None:
    run(new_engine(folder, toy_study(search={"trials": 3})))


@pytest.mark.usefixtures("study")
def test_it_brings_every_view_to_the_end_of_the_ledger_whatever_a_terminal_sends_it() -> None:
    finish = follow_apart(StudyPaths.of("toy"), VIEWS)
    [process] = of_views()
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
    of_views()[0].kill()
    assert finish() == dict.fromkeys(VIEWS, "its process ended with exit code -9")


@pytest.mark.usefixtures("study")
def test_it_ends_with_a_driver_that_is_killed() -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    driver = subprocess.Popen([sys.executable, "-c", DRIVER], stdout=subprocess.PIPE, env=environment)
    assert driver.stdout is not None and driver.stdout.readline() == b"begun\n"
    [process] = of_views()
    driver.kill()
    driver.communicate()
    deadline = time.monotonic() + 30
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "it lives on without its driver"
        time.sleep(0.05)

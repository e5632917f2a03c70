"""However a driver has died, `hpo doctor` leaves nothing of it, and MLflow shows what the ledger holds."""

import json
import os
import shutil
import signal
import subprocess
import time
import warnings
from pathlib import Path

import mlflow
import pytest

from hpo.doctor import Orders, State, examine_study
from hpo.executors import ray_session
from hpo.paths import StudyPaths
from hpo.processes import of
from hpo.results import read
from hpo.tracking.mlflow import RUN_STATUS, TRIAL, tracking_uri
from tests.test_main_job import HPO, hpo

pytestmark = pytest.mark.hard

DIES = """
import os, signal, sqlite3, time
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from train_fn.report import Report

def running():  # in MLflow
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect("file:mlflow.db?mode=ro", uri=True)) as database:
        return database.execute("SELECT count(*) FROM runs WHERE status = 'RUNNING'").fetchone()[0]
    return 0

WAYS = {
    "exits with 3": lambda: os._exit(3),
    "is terminated": lambda: os.kill(os.getpid(), signal.SIGTERM),
    "is killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
}

@dataclass(frozen=True, kw_only=True)
class Config:
    x: float = 0.0
    way: str = ""
    max_epochs: int = 6

def epochs(config, resume_from=None):
    for epoch in range(1, config.max_epochs + 1):
        if epoch == 5 and not Path("resumed").exists() and config.x > 1:
            deadline = time.monotonic() + 100
            while running() < 2 and time.monotonic() < deadline:  # the study and this trial
                time.sleep(0.2)
            WAYS[config.way]()
            time.sleep(20)
        yield Report(epoch=epoch, metrics={"score": config.x}, save=lambda folder: (folder / "x").write_text("x"))

epochs.__annotations__["config"] = Config
"""
STUDY = """\
study: dies
trainable: dies:epochs
objective: {maximize: score}
config: {way: WAY}
search_space: {x: {choice: [0.0, 2.0]}}
search: {searcher: grid, scheduler: fifo, trials: 2}
"""


def statuses(study: str) -> dict[int, str]:
    """In MLflow, by number of the trial; of the study itself under -1."""
    with warnings.catch_warnings(action="ignore"):  # MLflow's own, of SQLAlchemy
        client = mlflow.MlflowClient(tracking_uri=tracking_uri())
        runs = client.search_runs([client.get_experiment_by_name(study).experiment_id])
    return {int(run.data.tags.get(TRIAL, -1)): run.info.status for run in runs}


def by_the_ledger(study: str) -> dict[int, str]:
    found = read(study)
    waits = {trial.number: "SCHEDULED" for trial in found.history.trials}
    return {-1: "SCHEDULED"} | waits | {t.number: RUN_STATUS[t.state] for t in found.history.trials if t.state.ended}


@pytest.mark.parametrize("way", ["exits with 3", "is terminated", "is killed"])
def test_no_run_is_left_running(folder: Path, way: str) -> None:
    (folder / "dies.py").write_text(DIES)
    (folder / "study.yaml").write_text(STUDY.replace("WAY", way))
    died = subprocess.run([HPO, "run", "study.yaml", "--in-process"], capture_output=True, text=True, timeout=200)
    assert died.returncode != 0, died.stderr
    before = statuses("dies")
    if way in ("exits with 3", "is killed"):
        assert "RUNNING" in before.values(), "else nothing would have to be mended"
    findings = list(examine_study(StudyPaths.of("dies"), Orders()))
    assert State.FAULT not in {finding.state for finding in findings}, findings
    assert statuses("dies") == by_the_ledger("dies") and len(statuses("dies")) == 3
    assert {finding.state for finding in examine_study(StudyPaths.of("dies"), Orders())} == {State.OK}
    (folder / "resumed").touch()
    hpo(folder, "resume", "dies", "--in-process")
    assert set(statuses("dies").values()) == {"FINISHED"}


def test_of_a_killed_driver_on_ray_neither_process_nor_folder_is_left(folder: Path) -> None:
    shutil.copy(Path(__file__).parents[2] / "toy.py", folder / "toy.py")
    (folder / "study.yaml").write_text(
        "study: toy\ntrainable: toy:epochs\nobjective: {maximize: score}\n"
        "config: {max_epochs: 9, seconds: 1.0, witness: witness.jsonl}\n"
        "search_space: {x: {uniform: [-5.0, 5.0]}}\nsearch: {searcher: random, scheduler: fifo, trials: 4}\n"
    )
    driver = subprocess.Popen([HPO, "run", "study.yaml"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not Path("witness.jsonl").exists() or Path("witness.jsonl").read_text().count("\n") < 4:
        assert time.monotonic() < deadline and driver.poll() is None
        time.sleep(0.1)
    worker = json.loads(Path("witness.jsonl").read_text().splitlines()[-1])["pid"]
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    paths = StudyPaths.of("toy")
    done = subprocess.run([HPO, "doctor", "toy", "--json"], capture_output=True, text=True, timeout=200)
    findings = {finding["check"]: finding for finding in json.loads(done.stdout)}
    assert done.returncode == 0 and findings["toy: leftovers"]["state"] == State.MENDED, done.stdout
    assert not of(paths.root) and paths.root not in ray_session.folders().values()
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
    assert "RUNNING" not in statuses("toy").values()
    hpo(folder, "resume", "toy")
    assert read("toy").state == "finished"


def test_the_verb_ends_in_1_where_a_fault_stays_and_in_0_where_it_is_mended(folder: Path) -> None:
    """And in 2 for a study that is not there."""
    from hpo.driver import start
    from tests.hpo.test_engine import toy_study

    start(toy_study(search={"trials": 2}), text="", in_process=True)
    ledger = StudyPaths.of("toy").ledger
    whole = ledger.read_bytes()
    ledger.write_bytes(whole[:-4096])
    said = hpo(folder, "doctor", "toy", expect=1)
    faults = [line for line in said.stdout.splitlines() if line.startswith("fault")]
    assert len(faults) == 1 and faults[0].startswith("fault    toy: ledger: ") and said.stderr == ""
    said = hpo(folder, "doctor", "toy", "--repair")
    assert "\nmended   toy: ledger: " in said.stdout and "\x1b" not in said.stdout
    missing = hpo(folder, "doctor", "nope", expect=2)
    assert missing.stderr.startswith("error: there is no study nope") and missing.stdout == ""

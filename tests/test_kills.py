"""Real processes on real Ray, killed from outside; a witness file that the trainable writes is the judge."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.test_main_job import HPO, hpo, python

pytestmark = pytest.mark.hard

STUDY = """\
study: toy
trainable: toy:epochs
objective: {maximize: score}
config: {max_epochs: 6, seconds: 0.3, witness: witness.jsonl}
search_space:
  x: {uniform: [-5.0, 5.0]}
search: {searcher: tpe, scheduler: fifo, trials: 6}
"""


@pytest.fixture
def study(folder: Path) -> Path:
    shutil.copy(Path(__file__).with_name("toy.py"), folder / "toy.py")
    (folder / "study.yaml").write_text(STUDY)
    return folder


def begin(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [HPO, "run", "study.yaml"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def witnessed(folder: Path) -> list[dict[str, Any]]:
    path = folder / "witness.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def assert_whole(folder: Path, most_repeated: int) -> None:
    """Each trial ended once, each epoch of each was trained, at most one again per trial that was running at a kill."""
    shown = json.loads(hpo(folder, "show", "toy", "--json").stdout)
    assert shown["state"] == "finished" and [trial["state"] for trial in shown["trials"]] == ["COMPLETE"] * 6
    times = Counter((line["x"], line["epoch"]) for line in witnessed(folder))
    assert set(times) == {(trial["params"]["x"], epoch) for trial in shown["trials"] for epoch in range(1, 7)}
    assert sum(times.values()) - len(times) <= most_repeated
    code = """
import json, mlflow
client = mlflow.MlflowClient()
runs = client.search_runs([client.get_experiment_by_name("toy").experiment_id])
steps = lambda run: [point.step for point in client.get_metric_history(run.info.run_id, "score")]
print(json.dumps([[run.info.status, steps(run)] for run in runs]))"""
    runs = python(folder, code)
    assert len(runs) == 7 and {status for status, _ in runs} == {"FINISHED"}
    assert sorted(len(steps) for _, steps in runs) == [0] + [6] * 6, "each report once, and none on the parent"


def test_a_killed_driver_is_resumed_and_nothing_is_lost_or_repeated(study: Path) -> None:
    driver = begin(study)
    wait_for(lambda: len(witnessed(study)) >= 14)
    driver.send_signal(signal.SIGKILL)
    driver.communicate()
    hpo(study, "resume", "toy")
    assert_whole(study, most_repeated=2 * os.cpu_count())  # type: ignore[operator]
    ledger = (study / "studies" / "toy" / "ledger.db").read_bytes()
    hpo(study, "resume", "toy")
    assert (study / "studies" / "toy" / "ledger.db").read_bytes() == ledger


def test_a_killed_worker_is_replaced_and_its_trial_goes_on(study: Path) -> None:
    driver = begin(study)
    wait_for(lambda: len(witnessed(study)) >= 10)
    os.kill(witnessed(study)[-1]["pid"], signal.SIGKILL)
    out, err = driver.communicate(timeout=120)
    assert driver.returncode == 0, out + err
    assert "lost its worker: the worker process died" in out
    assert_whole(study, most_repeated=2)


def test_ctrl_c_says_how_to_go_on(study: Path) -> None:
    driver = begin(study)
    wait_for(lambda: len(witnessed(study)) >= 10)
    driver.send_signal(signal.SIGINT)
    _, err = driver.communicate(timeout=60)
    assert driver.returncode == 130
    assert err == "interrupted: `hpo resume toy` goes on from the last checkpoints\n"
    assert json.loads(hpo(study, "status", "--json").stdout)[0]["state"] == "interrupted"
    hpo(study, "resume", "toy")
    assert_whole(study, most_repeated=2 * os.cpu_count())  # type: ignore[operator]


def test_a_terminated_driver_is_safe_to_resume(study: Path) -> None:
    driver = begin(study)
    wait_for(lambda: len(witnessed(study)) >= 6)
    driver.send_signal(signal.SIGTERM)
    _, err = driver.communicate(timeout=60)
    assert (driver.returncode, err) == (75, "error: study toy was told to stop; `hpo resume toy` goes on\n")
    hpo(study, "resume", "toy")
    assert_whole(study, most_repeated=2 * os.cpu_count())  # type: ignore[operator]


def test_asking_for_more_than_the_machine_has_is_refused(study: Path) -> None:
    done = hpo(study, "run", "study.yaml", "--set", "resources.cpu=4096", expect=2)
    assert done.stderr.startswith("error: a trial is to have 4096 CPUs, but this machine has ")
    assert done.stderr.count("\n") == 1 and not (study / "studies").exists()
    done = hpo(study, "run", "study.yaml", "--set", "resources.gpu=64", expect=2)
    assert "64 gpu, but this machine has" in done.stderr and done.stderr.count("\n") == 1


def test_a_second_driver_is_turned_away(study: Path) -> None:
    driver = begin(study)
    wait_for(lambda: len(witnessed(study)) >= 1)
    done = hpo(study, "resume", "toy", expect=75)
    assert done.stderr.startswith(f"error: study toy is being run by pid {driver.pid} on ")
    driver.send_signal(signal.SIGINT)
    driver.communicate(timeout=60)


def test_the_ui_serves_this_machine_and_refuses_a_rebound_name(study: Path) -> None:
    import http.client
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def status(host: str) -> int:
        path = "/api/2.0/mlflow/experiments/get-by-name?experiment_name=Default"
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
                connection.request("GET", path, headers={"Host": host})
                with connection.getresponse() as response:
                    return response.status
        except OSError:
            return 0

    server = subprocess.Popen(
        [HPO, "ui", "--port", str(port)], cwd=study, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        wait_for(lambda: status(f"127.0.0.1:{port}") == 200, seconds=90)
        assert status(f"localhost:{port}") == 200
        assert status("10.evil.com") == 403 and status("evil.com") == 403
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=30)

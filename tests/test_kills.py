"""Real processes on real Ray, killed from outside; a witness file that the trainable writes is the judge."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.faults.ray_kills import Fault, freeze_worker, kill_driver, kill_server, kill_worker, study_under
from tests.faults.study_kills import kills_until, two_at_once
from tests.test_main_job import HPO, hpo, python
from tests.toy import noted

pytestmark = pytest.mark.hard

KILLS = 200
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
    """The epochs that were trained."""
    return noted(folder / "witness.jsonl")


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
    assert done.stderr.startswith("error: a trial is to have 64 GPUs, but this machine has ")
    assert done.stderr.count("\n") == 1 and not (study / "studies").exists()


def test_a_ray_that_a_busy_machine_does_not_start_in_time_is_started_again(study: Path) -> None:
    """Its node is heard of only after more than the half minute that Ray waits."""
    code = (
        "import sys, time; from hpo.executors import ray_tune; from ray._private import services; "
        "hear, began = services.get_node, time.monotonic()\n"
        "def heard(*words):\n"
        "    if time.monotonic() < began + 35: raise RuntimeError('not yet')\n"
        "    return hear(*words)\n"
        "services.get_node = heard; from hpo.__main__ import main; sys.argv = ['hpo', 'run', 'study.yaml']; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=study, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert_whole(study, most_repeated=0)


def test_a_ray_that_does_not_start_is_one_line_and_the_study_can_be_resumed(study: Path) -> None:
    """Here because the paths of its sockets are too long; it gives up on a machine that is too busy as well."""
    place = study / "a-folder-whose-name-is-too-long-for-a-socket" / ("x" * 60)
    place.mkdir(parents=True)
    code = (
        "import sys; from pathlib import Path; from hpo.executors import ray_session; "
        f"ray_session.PLACE = Path({str(place)!r}); from hpo.__main__ import main; "
        "sys.argv = ['hpo', 'run', 'study.yaml']; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=study, capture_output=True, text=True)
    assert done.returncode == 75 and done.stderr.startswith("error: Ray does not start: "), done.stderr
    assert done.stderr.endswith("then `hpo resume toy` goes on\n") and done.stderr.count("\n") == 1
    assert not any(place.iterdir())
    hpo(study, "resume", "toy", "--in-process")
    assert json.loads(hpo(study, "show", "toy", "--json").stdout)["state"] == "finished"


@pytest.mark.timeout(3600)
def test_kills_of_the_command_line_lose_and_change_nothing(tmp_path: Path) -> None:
    """N1 to N9 after each, and the decisions of a study that was never interrupted; `make chaos` takes 2,000."""
    studies = dict(kills_until(tmp_path, KILLS, seed=5))
    assert {name: found.wrong for name, found in studies.items() if found.wrong} == {}
    assert sum(found.kills for found in studies.values()) >= KILLS


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "faults",
    [[kill_driver] * 5, [kill_worker, kill_server, freeze_worker]],  # while one is frozen, others end the study
    ids=["driver", "worker, server of Ray's, frozen worker"],
)
def test_a_study_on_ray_survives_each_fault(tmp_path: Path, faults: list[Fault]) -> None:
    found = study_under(tmp_path, faults, seed=5)
    assert (found.wrong, found.kills) == ([], len(faults))


@pytest.mark.timeout(3600)
def test_of_two_drivers_of_one_study_one_goes_on_and_the_other_names_it(tmp_path: Path) -> None:
    studies = list(two_at_once(tmp_path, 5, seed=5))
    assert [found.wrong for _, found in studies] == [[]] * len(studies)


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

    def status(host: str, path: str = "/api/2.0/mlflow/experiments/get-by-name?experiment_name=Default") -> int:
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
        assert status(f"localhost:{port}", "/live") == 200
        assert status(f"127.0.0.1:{port}", "/live/toy") == 404, "it has not been run"
        assert status("10.evil.com", "/live") == 403 and status("evil.com", "/live/toy") == 403
    finally:
        server.send_signal(signal.SIGINT)
        said, _ = server.communicate(timeout=30)
    assert b"GET" not in said and b"Warning" not in said, "a person reads where it is, and nothing else"

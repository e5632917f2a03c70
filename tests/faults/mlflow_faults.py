"""Studies that reach MLflow through a network that fails, or whose driver is killed while MLflow is written."""

import shutil
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import mlflow

from hpo.driver import catch_up, start
from hpo.errors import HpoError
from hpo.paths import StudyPaths
from hpo.results import read
from hpo.tracking.mlflow import RUN_STATUS, tracking_uri
from hpo.tracking.mlflow_runs import PARENT, active, number_of
from tests import toy
from tests.faults.ray_kills import HPO
from tests.hpo.engines import toy_study

TRIES = 40  # of `hpo sync`, as a person would


def caught_up(study: str, trials: int = 4) -> None:
    """Where MLFLOW_TRACKING_URI leads through a proxy that fails now and then."""
    start(toy_study(study=study, search={"trials": trials}), text="study: toy", in_process=True)
    for _ in range(TRIES):
        with suppress(HpoError):
            return catch_up(study)


def killed(study: str, kills: int, rng: Random) -> None:
    """The driver, so often, each time while it writes to MLflow; then resumed to the end."""
    shutil.copy(Path(toy.__file__), "toy.py")
    Path(f"{study}.yaml").write_text(
        f"study: {study}\ntrainable: toy:epochs\nobjective: {{maximize: score}}\n"
        "config: {max_epochs: 6, seconds: 0.2}\nsearch_space: {x: {uniform: [-5.0, 5.0]}}\n"
        f"search: {{searcher: random, scheduler: fifo, trials: {8 * kills}}}\n"
    )
    for _ in range(kills):
        verb = ["resume", study] if Path("studies", study).exists() else ["run", f"{study}.yaml"]
        before = arrived(study)
        driver = subprocess.Popen([HPO, *verb, "--in-process"], stdout=subprocess.DEVNULL)
        while arrived(study) == before:
            time.sleep(0.05)
            assert driver.poll() is None
        time.sleep(rng.uniform(0, 0.5))
        assert driver.poll() is None
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    subprocess.run([HPO, "resume", study, "--in-process"], check=True, capture_output=True)
    assert read(study).state == "finished"


def arrived(study: str) -> list[tuple[int, int, str]]:
    """Of each run in MLflow how many metrics it has, and its state."""
    client = mlflow.MlflowClient(tracking_uri=tracking_uri())
    if not StudyPaths.of(study).root.exists() or client.get_experiment_by_name(study) is None:
        return []
    found = shown(tracking_uri(), study)
    return [(number, len(run.data.metrics), run.info.status) for number, runs in sorted(found.items()) for run in runs]


def shown(uri: str, study: str) -> dict[int, list[Any]]:
    """Every run of the study that is not in the trash."""
    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(study).experiment_id
    found: dict[int, list[Any]] = {}
    for run in active(client, experiment, read(study).history.record["study_id"]):
        found.setdefault(number_of(run), []).append(run)
    return found


def assert_exact(uri: str, study: str) -> None:
    """A run for each trial and one for the study, in the ledger's states, with every report's metrics once."""
    found, client, results = shown(uri, study), mlflow.MlflowClient(tracking_uri=uri), read(study)
    assert {number: len(runs) for number, runs in found.items()} == dict.fromkeys(
        [PARENT, *range(len(results.history.trials))], 1
    )
    reported: dict[int, Counter[tuple[int, float]]] = {trial.number: Counter() for trial in results.history.trials}
    for event in results.events:
        if event.kind == "reported" and event.trial is not None:
            reported[event.trial][event.step or 0, float(event.payload["metrics"]["score"])] += 1
    for trial in results.history.trials:
        [run] = found[trial.number]
        assert run.info.status == RUN_STATUS[trial.state] and run.data.tags["hpo.state"] == trial.state
        assert run.data.params == {name: str(value) for name, value in trial.params.items()}
        history = client.get_metric_history(run.info.run_id, "score")
        assert Counter((point.step, point.value) for point in history) == reported[trial.number]
    [parent] = found[PARENT]
    assert parent.info.status == "FINISHED" and parent.data.tags["hpo.state"] == "finished"

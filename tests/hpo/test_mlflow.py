"""MLflow follows the ledger: once, in true states, and late if it must."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow
import pytest

from hpo.driver import resume, start
from hpo.errors import HpoError
from hpo.paths import StudyPaths
from hpo.results import read
from hpo.tracking.mlflow import LEDGER_ROW, STATE, TRIAL, Writer, tracking_uri
from tests.hpo.test_engine import toy_study
from tests.hpo.typed import PROJECT


def runs_of(study: str) -> list[Any]:
    client = mlflow.MlflowClient(tracking_uri=tracking_uri())
    experiment = client.get_experiment_by_name(study)
    return list(client.search_runs([experiment.experiment_id]))


@pytest.fixture
def twelve(folder: Path) -> list[Any]:
    start(toy_study(), text="study: toy", in_process=True)
    return runs_of("toy")


def test_pruned_trials_are_killed_and_the_rest_finished(twelve: list[Any]) -> None:
    status = {"PRUNED": "KILLED", "COMPLETE": "FINISHED"}
    children = [run for run in twelve if TRIAL in run.data.tags]
    assert len(children) == 12 and {run.data.tags[STATE] for run in children} == {"PRUNED", "COMPLETE"}
    assert all(run.info.status == status[run.data.tags[STATE]] for run in children)


def test_a_child_has_the_searched_parameters_and_its_best(twelve: list[Any]) -> None:
    trials = read("toy").as_json()["trials"]
    for run in twelve:
        if TRIAL in run.data.tags:
            trial = trials[int(run.data.tags[TRIAL])]
            assert run.data.params == {name: str(value) for name, value in trial["params"].items()}
            assert run.data.metrics["best/score"] == trial["value"]
            assert run.data.metrics["best/step"] == trial["best_step"]


def test_the_parent_holds_the_study_and_its_winner(twelve: list[Any]) -> None:
    [parent] = [run for run in twelve if TRIAL not in run.data.tags]
    best = read("toy").as_json()["best"]
    assert parent.data.tags["hpo.best_trial"] == str(best["trial"])
    assert parent.data.metrics["best/score"] == best["value"]
    client = mlflow.MlflowClient(tracking_uri=tracking_uri())
    files = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert {"study.yaml", "study.json", "environment.json", "report.html"} <= files


def test_writing_it_all_again_changes_nothing(twelve: list[Any]) -> None:
    before = [(run.info.run_id, run.info.status, run.data.metrics) for run in twelve]
    client = mlflow.MlflowClient(tracking_uri=tracking_uri())
    histories = [client.get_metric_history(run.info.run_id, "score") for run in twelve]
    [parent] = [run for run in twelve if TRIAL not in run.data.tags]
    client.delete_tag(parent.info.run_id, LEDGER_ROW)  # as if the driver had died before it was written
    Writer(StudyPaths.of("toy"), tracking_uri()).catch_up()
    assert [(run.info.run_id, run.info.status, run.data.metrics) for run in runs_of("toy")] == before
    assert [client.get_metric_history(run.info.run_id, "score") for run in twelve] == histories


def test_a_study_ends_well_while_the_server_is_down_and_is_caught_up_later(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from hpo.driver import catch_up

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    start(toy_study(search={"trials": 2}), text="", in_process=True)
    assert read("toy").state == "finished"
    assert "`hpo sync toy` catches up" in capsys.readouterr().err
    with pytest.raises(HpoError, match="is its server up"):
        catch_up("toy")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    catch_up("toy")
    assert len(runs_of("toy")) == 3


def test_an_interrupted_study_waits_and_is_not_running(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = toy_study(config={"max_epochs": 3, "interrupts_at": 2}, search={"trials": 2, "scheduler": "fifo"})
    with pytest.raises(KeyboardInterrupt):
        start(study, text="", in_process=True)
    assert {run.info.status for run in runs_of("toy")} == {"SCHEDULED"}
    assert read("toy").state == "interrupted"
    (folder / "resumed").touch()
    resume("toy", in_process=True)
    assert {run.info.status for run in runs_of("toy")} == {"FINISHED"}
    assert len(runs_of("toy")) == 3


def test_what_the_end_needs_is_imported_while_trials_train(folder: Path) -> None:
    code = """
import sys
from pathlib import Path
from hpo.segment import Reported
from hpo.tracking.mlflow import Writer, tracking_uri
from tests.hpo.engines import new_engine, toy_study

engine = new_engine(Path(), toy_study())
writer, heavy = Writer(engine.paths, tracking_uri()), {"transformers.pipelines", "vl_convert"}
writer.catch_up()
writer.get_ready()
print(*sorted(heavy & set(sys.modules)))
segment = engine.next_segment()
said = Reported(step=1, epoch=1.0, metrics={"score": 1.0}, seconds=1.0, checkpoint="checkpoint-0001-0", diverged=None)
model = engine.paths.trial(0) / said.checkpoint / "model"
model.mkdir(parents=True)
(model / "config.json").touch()
engine.reported(segment, said)
engine.completed(segment)
writer.catch_up()
print(*sorted(heavy & set(sys.modules)))
writer.get_ready()
print(*sorted(heavy & set(sys.modules)))
assert not engine.history.finished
"""
    env = os.environ | {"PYTHONPATH": str(PROJECT)}
    ran = subprocess.run([sys.executable, "-c", code], cwd=folder, env=env, capture_output=True, text=True)
    assert ran.stdout.splitlines() == ["", "", "transformers.pipelines vl_convert"], ran.stderr

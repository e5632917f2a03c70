"""The main job as a person does it: one study file, one command, a champion that a new process can ask."""

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.mlflow_server import team
from tests.postgresql import Cluster

PROJECT = Path(__file__).parents[1]
HPO = str(Path(sys.executable).with_name("hpo"))


def hpo(folder: Path, *arguments: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([HPO, *arguments], cwd=folder, capture_output=True, text=True, timeout=280)
    assert done.returncode == expect, done.stdout + done.stderr
    return done


def python(folder: Path, code: str) -> Any:
    """What `code` prints last, as JSON, in a new process."""
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module", params=["SQLite", pytest.param("a team's servers", marks=pytest.mark.hard)])
def options(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Of `hpo run`; MLflow is a database in the folder, or a server with passwords over PostgreSQL and S3."""
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        if request.param != "SQLite":
            pytest.importorskip("moto", reason="moto is absent: pip install 'hpo[test]'")
            cluster: Cluster = request.getfixturevalue("postgresql")
            for name, value in stack.enter_context(team(tmp_path_factory.mktemp("team"), cluster.url)).items():
                patch.setenv(name, value)
        yield [] if request.param == "SQLite" else ["--in-process"]  # Ray is started once, by the other


@pytest.fixture(scope="module")
def job(options: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the smoke study was run and promoted; its screen is kept beside, and a file to predict."""
    folder = tmp_path_factory.mktemp("job")
    done = hpo(folder, "run", str(PROJECT / "search_spaces" / "smoke.yaml"), *options)
    (folder / "run.txt").write_text(done.stdout)
    (folder / "run.err").write_text(done.stderr)
    (folder / "promote.json").write_text(hpo(folder, "promote", "smoke", "--json").stdout)
    (folder / "new.csv").write_text("id,text\n1,Return the mean.\n2,Create an engine.\n", encoding="utf-8-sig")
    return folder


@pytest.fixture(scope="module")
def runs(job: Path) -> list[dict[str, Any]]:
    """Every MLflow run as plain values, read by a process of its own."""
    code = """
import json, mlflow
client = mlflow.MlflowClient()
experiment = client.get_experiment_by_name("smoke")
print(json.dumps([
    dict(id=r.info.run_id, status=r.info.status, params=r.data.params, metrics=r.data.metrics, tags=r.data.tags,
         datasets={i.tags[0].value: [i.dataset.name, i.dataset.digest] for i in r.inputs.dataset_inputs},
         files=[f.path for f in client.list_artifacts(r.info.run_id)],
         curve=[(m.step, m.value) for m in client.get_metric_history(r.info.run_id, "f1_weighted")])
    for r in client.search_runs([experiment.experiment_id])
]))"""
    found: list[dict[str, Any]] = python(job, code)
    return found


def test_one_line_per_event_where_the_output_is_no_terminal(job: Path) -> None:
    screen = (job / "run.txt").read_text().splitlines()
    assert screen[0].startswith("data: train 2,000, valid 400, test ")
    assert screen[1].startswith("warning: valid has 400 rows: the standard error of an accuracy")
    assert screen[2].startswith("disk: checkpoints take ") or screen[2].startswith("disk: known after the first")
    assert screen[3].startswith("cost: ") and " epochs" in screen[3]
    assert screen[4].startswith("trial 00") and " started: learning_rate=" in screen[4]
    assert sum(" epoch " in line and "f1_weighted" in line and " s" in line for line in screen[:-3]) >= 4
    assert screen[-3].startswith("smoke: best f1_weighted 0.") and screen[-2].startswith("cost: ")
    assert (job / "run.err").read_text() == "", "the chatter of libraries goes to the study's log"


def test_mlflow_holds_one_parent_and_a_child_per_trial_in_their_true_states(
    job: Path, runs: list[dict[str, Any]]
) -> None:
    parents = [run for run in runs if "mlflow.parentRunId" not in run["tags"]]
    children = [run for run in runs if run["tags"].get("mlflow.parentRunId") == parents[0]["id"]]
    assert len(parents) == 1 and len(children) == 2 == len(runs) - 1
    assert parents[0]["status"] == "FINISHED"
    status = {"COMPLETE": "FINISHED", "PRUNED": "KILLED"}
    shown = json.loads(hpo(job, "show", "smoke", "--json").stdout)["trials"]
    assert {int(run["tags"]["hpo.trial"]): run["status"] for run in children} == {
        trial["trial"]: status[trial["state"]] for trial in shown
    }


def test_children_carry_only_what_was_searched_and_the_whole_config_as_an_artifact(runs: list[dict[str, Any]]) -> None:
    for run in runs:
        if "mlflow.parentRunId" in run["tags"]:
            assert set(run["params"]) == {"learning_rate", "hidden_dropout"}
            assert "config.json" in run["files"]


def test_the_run_of_the_study_names_each_split_with_its_fingerprint(job: Path, runs: list[dict[str, Any]]) -> None:
    [parent] = [run for run in runs if "mlflow.parentRunId" not in run["tags"]]
    data = python(
        job, "import json; from hpo.results import read; print(json.dumps(read('smoke').history.record['data']))"
    )
    digests = data["fingerprints"]
    assert parent["datasets"] == {
        "training": ["smoke-train", digests["train"]],
        "validation": ["smoke-valid", digests["valid"]],
        "test": ["smoke-test", digests["test"]],
    }


def test_mlflow_has_every_report_once_and_the_best_beside_the_last(job: Path, runs: list[dict[str, Any]]) -> None:
    shown = json.loads(hpo(job, "show", "smoke", "--json").stdout)
    for run in runs:
        if "hpo.trial" in run["tags"]:
            trial = shown["trials"][int(run["tags"]["hpo.trial"])]
            assert [step for step, _ in run["curve"]] == list(range(1, int(trial["epochs"]) + 1))
            assert run["metrics"]["best/f1_weighted"] == max(value for _, value in run["curve"]) == trial["value"]
            assert run["metrics"]["best/step"] == trial["best_step"]


def test_show_and_status_say_the_same_as_json(job: Path) -> None:
    shown = json.loads(hpo(job, "show", "smoke", "--json").stdout)
    assert shown["state"] == "finished" and shown["objective"] == {"maximize": "f1_weighted"}
    assert shown["best"]["value"] == max(trial["value"] for trial in shown["trials"])
    [status] = json.loads(hpo(job, "status", "--json").stdout)
    assert (status["study"], status["best"]) == ("smoke", shown["best"]["value"])
    assert "smoke" in hpo(job, "status").stdout and "finished" in hpo(job, "show", "smoke").stdout


def test_the_promotion_scores_the_sealed_test_beside_the_linear_model_once(job: Path) -> None:
    promotion = json.loads((job / "promote.json").read_text())
    assert 0 < promotion["test"]["f1_weighted"] < 1 and 0.5 < promotion["baseline"]["f1_weighted"] < 1
    again = json.loads(hpo(job, "promote", "smoke", "--json").stdout)
    assert again == promotion, "the same version, the same scores"
    assert json.loads(hpo(job, "show", "smoke", "--json").stdout)["test_openings"] == 1


def test_the_champion_answers_in_a_new_process(job: Path) -> None:
    code = """
import json, mlflow
model = mlflow.pyfunc.load_model("models:/smoke-tiny@champion")
answer = model.predict(["Compute the rolling mean of a series.", "word " * 2000])
print(json.dumps([list(answer["label"]), list(answer["score"]), model.metadata.signature is not None,
                  model.input_example is not None]))"""
    labels, scores, signature, example = python(job, code)
    assert set(labels) <= {"optuna", "pandas", "scikit-learn", "scipy", "sqlalchemy"}
    assert all(0 < score <= 1 for score in scores) and signature and example


def test_predict_writes_a_label_and_a_score_for_each_row(job: Path) -> None:
    hpo(job, "predict", "smoke-tiny", "new.csv", "--out", "answers.csv")
    rows = list(csv.DictReader((job / "answers.csv").read_text().splitlines()))
    assert [row["text"] for row in rows] == ["Return the mean.", "Create an engine."]
    assert all(row["label"] and 0 < float(row["score"]) <= 1 for row in rows)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("run", str(PROJECT / "search_spaces" / "smoke.yaml")),
            "go on with `hpo resume smoke`, or take another name with --name",
        ),
        (("run", "none.yaml"), "none.yaml: no such study file"),
        (("show", "smok"), "there is no study at"),
        (("predict", "nobody", "new.csv"), "'nobody' has no champion"),
        (("predict", "smoke-tiny", "new.csv", "--text", "txt"), "has no column 'txt'; did you mean text?"),
        (("predict", "smoke-tiny", "absent.csv"), "absent.csv"),
        (("runn", "x"), "No such command 'runn'"),
        (("run",), "Missing argument"),
        (("show", "../etc"), "a study's name must match"),
    ],
)
def test_a_mistake_gets_one_line_and_exit_code_2(job: Path, arguments: tuple[str, ...], said: str) -> None:
    done = hpo(job, *arguments, expect=2)
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    assert said in done.stderr and done.stdout == ""


def test_help_loads_neither_torch_ray_nor_mlflow(tmp_path: Path) -> None:
    code = """
import json, sys
sys.argv = ["hpo", "{verb}", "{file}"] if "{file}" else ["hpo", "{verb}"]
import hpo.__main__
try:
    hpo.__main__.main()
except SystemExit as end:
    assert end.code == 0, end.code
heavy = ("torch", "ray", "mlflow", "transformers", "optuna", "wandb")
print(json.dumps([name for name in heavy if name in sys.modules]))"""
    smoke = str(PROJECT / "search_spaces" / "smoke.yaml")
    assert python(tmp_path, code.format(verb="--help", file="")) == []
    assert python(tmp_path, code.format(verb="check", file=smoke)) == []


@pytest.mark.hard
def test_a_driver_on_ray_loads_no_library_of_a_view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))  # for the toy's trainable
    code = """
import json, sys
sys.argv = ["hpo", "run", "{file}", "--set", "search.trials=2"]
import hpo.__main__
try:
    hpo.__main__.main()
except SystemExit as end:
    assert end.code == 0, end.code
print(json.dumps([name for name in ("ray", "mlflow", "wandb", "comet_ml", "aim", "torch") if name in sys.modules]))"""
    toy = str(PROJECT / "search_spaces" / "toy_optimum.yaml")
    assert python(tmp_path, code.format(file=toy)) == ["ray"]


def test_the_run_of_the_winner_and_no_other_shows_its_answers(job: Path, runs: list[dict[str, Any]]) -> None:
    best = json.loads(hpo(job, "show", "smoke", "--json").stdout)["best"]
    [run] = [run for run in runs if "predictions.csv" in run["files"]]
    assert int(run["tags"]["hpo.trial"]) == best["trial"]
    assert {"wrong.csv", "calibration.csv", "confusion.csv"} <= {*run["files"]}

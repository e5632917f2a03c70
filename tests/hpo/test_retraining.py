"""The winner once more, as a study of its own."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hpo import results
from hpo.__main__ import main
from hpo.cli import app
from hpo.errors import UsageError
from hpo.retraining import as_study
from hpo.study_file import load_study

PROJECT = Path(__file__).parents[2]

STUDY = """\
study: toy
trainable: tests.toy:epochs
objective: {maximize: score}
config: {max_epochs: 3}
search_space:
  x: {uniform: [-5, 5]}
  kind: {choice: [plain, fancy]}
search: {searcher: random, scheduler: asha, trials: 4}
"""


@pytest.fixture
def searched(folder: Path) -> Path:
    (folder / "toy.yaml").write_text(STUDY, encoding="utf-8")
    assert CliRunner().invoke(app, ["run", "toy.yaml", "--in-process"]).exit_code == 0
    return folder


def test_its_only_trial_has_the_winner_s_configuration(searched: Path) -> None:
    best = results.read("toy").as_json()["best"]
    assert CliRunner().invoke(app, ["retrain", "toy", "--in-process"]).exit_code == 0
    again = results.read("toy-retrained")
    assert again.study.config == {"max_epochs": 3, **best["params"]}
    assert [trial["state"] for trial in again.as_json()["trials"]] == ["COMPLETE"]
    assert again.as_json()["best"]["value"] == best["value"]


def test_one_setting_may_be_another(searched: Path) -> None:
    CliRunner().invoke(app, ["retrain", "toy", "--set", "config.max_epochs=5", "--name", "longer", "--in-process"])
    assert results.read("longer").as_json()["best"]["epochs"] == 5


def test_any_trial_can_be_named(searched: Path, tmp_path: Path) -> None:
    found = results.read("toy")
    for trial in found.as_json()["trials"]:
        (tmp_path / "one.yaml").write_text(as_study(found, trial["trial"]), encoding="utf-8")
        assert load_study(tmp_path / "one.yaml").config == {"max_epochs": 3, **trial["params"]}
    with pytest.raises(UsageError, match="study toy has no trial 17; `hpo show toy` lists its trials"):
        as_study(found, 17)


def test_a_misspelt_setting_is_named_without_a_folder_that_nobody_knows(
    searched: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["hpo", "retrain", "toy", "--set", "config.max_epoch=5"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("error: --set config.max_epoch=5: config.max_epoch: is no field")


def test_a_study_without_a_search_space_has_one_trial(folder: Path) -> None:
    spec = {
        "study": "one",
        "trainable": "tests.toy:epochs",
        "objective": {"maximize": "score"},
        "search": {"trials": 2},
    }
    (folder / "one.yaml").write_text(json.dumps(spec), encoding="utf-8")
    with pytest.raises(UsageError, match="search_space is empty, so trials must be 1, got 2; name a parameter"):
        load_study(folder / "one.yaml")


def test_one_model_is_trained_in_the_ordinary_loop_though_the_search_trained_in_lanes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f"{'apple pear plum' if number % 2 else 'car bus tram'} {number},{number % 2}" for number in range(80)]
    (folder / "toy.csv").write_text("\n".join(["text,label", *rows]), encoding="utf-8")
    data = "{file: toy.csv, cache: cache}"
    (folder / "lanes.yaml").write_text(
        "study: lanes\ntrainable: train_fn.text:epochs\nobjective: {minimize: loss}\n"
        f"config: {{model: tiny, max_epochs: 1, precision: fp32, fuse_trials: true, data: {data}}}\n"
        "search: {searcher: random, scheduler: fifo, trials: 1}\nresources: {cpu: 1, gpu: 0}\n",
        encoding="utf-8",
    )
    assert CliRunner().invoke(app, ["run", "lanes.yaml", "--in-process"]).exit_code == 0
    assert results.read("lanes").study.config["fuse_trials"]
    monkeypatch.delattr("train_fn.running.fine_tune_in_lane")
    assert CliRunner().invoke(app, ["retrain", "lanes", "--in-process"]).exit_code == 0
    again = results.read("lanes-retrained")
    assert again.as_json()["best"]["epochs"] == 1 and "fuse_trials" not in again.study.config

"""The README's own commands, run as they stand: on a person's file, and with MiniLM on the sentences."""

import csv
import json
import re
from pathlib import Path

import pytest

from hpo.space_lint import lint
from hpo.study_file import load_study
from tests.test_main_job import hpo, python

PROJECT = Path(__file__).parents[1]
README = (PROJECT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_your_own_data_goes_from_a_csv_to_a_champion(folder: Path) -> None:
    [study] = blocks("yaml")
    small = (
        study.replace("model: minilm ", "model: tiny ")
        .replace("max_epochs: 5", "max_epochs: 2")
        .replace("trials: 16", "trials: 2")
    )
    assert small.count("tiny") == 1 and "max_epochs: 2" in small and "trials: 2" in small
    (folder / "my.yaml").write_text(small)
    words = {"5": "would come again, lovely", "1": "never again, cold soup"}
    rows = [(f"visit {number}: {text}", stars) for number in range(40) for stars, text in words.items()]
    for name in ("reviews.csv", "new.csv"):
        with (folder / name).open("w", newline="") as file:
            csv.writer(file).writerows([("review", "stars"), *rows])
    [commands] = [block for block in blocks("console") if "hpo check my.yaml" in block]
    for command in commands.splitlines():
        hpo(folder, *command.split("#")[0].split()[1:])
    with (folder / "new.csv.predictions.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 80
    [code] = blocks("python")
    assert (
        python(folder, f"{code}\nimport json; print(json.dumps(list(model.predict(['cold soup'])['label'])))")[0]
        in words
    )


def test_the_error_shown_is_the_error_given(folder: Path) -> None:
    [study] = blocks("yaml")
    (folder / "my.yaml").write_text(study.replace("  learning_rate:", "  learning_rat:"))
    [shown] = [block for block in blocks("text") if block.startswith("error: ")]
    assert hpo(folder, "check", "my.yaml", expect=2).stderr == shown


@pytest.mark.hard
def test_the_main_study_runs_with_minilm(folder: Path) -> None:
    """Two trials of one epoch: the way of `make demo`, at a tenth of its length."""
    main = str(PROJECT / "search_spaces" / "lwlrd.yaml")
    hpo(folder, "run", main, "--set", "search.trials=2", "--set", "config.max_epochs=1")
    promotion = json.loads(hpo(folder, "promote", "lwlrd", "--json").stdout)
    assert promotion["model"] == "docstrings-minilm" and promotion["test"]["f1_weighted"] > 0.5
    (folder / "sentences.csv").write_text("text\nOpen a database session.\n")
    hpo(folder, "predict", "docstrings-minilm", "sentences.csv")
    with (folder / "sentences.csv.predictions.csv").open(newline="") as file:
        assert [row["label"] for row in csv.DictReader(file)] == ["sqlalchemy"]


def test_the_first_study_of_one_s_own_is_not_warned_of(folder: Path) -> None:
    [study] = blocks("yaml")
    (folder / "my.yaml").write_text(study)
    assert list(lint(load_study(folder / "my.yaml"))) == []

"""What a study tells of its winner's single answers, where rows have several labels and where folds answer them."""

import csv
import json
import random
from pathlib import Path
from typing import Any

import pytest

from hpo import evaluations
from hpo.driver import start
from hpo.frames import study_data
from hpo.paths import StudyPaths
from hpo.reporting import html
from hpo.results import read
from hpo.study_file import load_study
from hpo.tracking import mlflow_pages

FRUIT = ("apple", "fig", "pear")
SECRET = "ghp_" + "a1B2" * 9
SETTINGS = {"model": "tiny", "max_epochs": 2, "batch_size": 16, "learning_rate": 1e-3, "precision": "fp32"}


@pytest.fixture
def searched(folder: Path):
    """A study of one trial, in this process: its evidence, and the texts of every row and of the sealed test."""
    chance = random.Random(0)
    rows = []
    for number in range(200):
        said = chance.sample(FRUIT, number % 3)
        words = [*said, *chance.choices(["bus", "tram", "red"], k=3), f"n{number}", SECRET]
        rows.append((" ".join(words), "|".join(sorted(said)) or "none"))
    with Path("rows.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])

    def search(**data: Any):
        data = {"file": "rows.csv", "cache": str(folder / "cache"), **data}
        spec = {
            "study": "told",
            "trainable": "train_fn.text:epochs",
            "objective": {"maximize": "accuracy"},
            "config": {**SETTINGS, "data": data},
            "search": {"searcher": "random", "scheduler": "fifo", "trials": 1},
        }
        Path("study.yaml").write_text(json.dumps(spec))
        start(load_study(Path("study.yaml")), "", in_process=True)
        found = read("told")
        best = found.winner.best(found.objective)
        return found, best, evaluations.read(StudyPaths.of("told").trial(0), best.step)

    return search


def sealed_numbers(found) -> set[str]:
    """The word that tells each row of the test split from all others."""
    from train_fn import data

    texts = data.open_test(found.study.trial_config({}).data).texts
    return {next(word for word in text.split() if word[1:].isdigit()) for text in texts}


def test_folds_tell_of_every_row_but_the_sealed_ones_and_no_secret(searched) -> None:
    found, best, told = searched(folds=3)
    rows = found.history.record["data"]["rows"]["train"]
    assert told["predictions"]["row"] == [*range(rows)]
    right = [
        truth == said for truth, said in zip(told["predictions"]["truth"], told["predictions"]["said"], strict=True)
    ]
    assert sum(right) / rows == pytest.approx(best.metrics["accuracy"], abs=0.01)  # folds of nearly the same size
    numbers = {word for one in told["wrong"] for word in one["text"].split() if word[1:].isdigit()}
    assert len(numbers) == len(told["wrong"]) > 10 and not numbers & sealed_numbers(found)
    assert SECRET not in json.dumps(told) and "[redacted]" in told["wrong"][0]["text"]


def test_the_page_and_mlflow_show_the_answers_of_all_folds(searched) -> None:
    found, best, told = searched(folds=3)
    made = study_data(found)
    assert made.evaluation["calibration"] == told["calibration"] and made.evaluation["wrong"] == told["wrong"]
    page = html(found)
    assert "answered by the one of 3 models that had not seen it" in page and told["wrong"][0]["text"] in page
    assert "Nothing to show: the winner" not in page
    files = mlflow_pages.tables(told) | mlflow_pages.answers(told)
    assert files.keys() == {"classes.csv", "confusion.csv", "predictions.csv", "wrong.csv", "calibration.csv"}
    assert len(files["predictions.csv"].splitlines()) == 1 + found.history.record["data"]["rows"]["train"]


def test_the_page_and_mlflow_show_what_several_labels_are_wrong_about(searched) -> None:
    found, best, told = searched(task="multi_label", label_separator="|")
    rows = found.history.record["data"]["rows"]["valid"]
    labels = found.history.record["data"]["labels"]
    assert sum(one["rows"] for one in told["calibration"]) == rows * len(labels)
    right = sum(one["rows"] * one["accuracy"] for one in told["calibration"])
    assert right / (rows * len(labels)) == pytest.approx(1 - best.metrics["hamming_loss"])
    page = html(found)
    first = told["wrong"][0]
    assert first["text"] in page and f"not {first['label']}" in page and "Nothing to show: the winner" not in page
    wrong = list(csv.DictReader(mlflow_pages.answers(told)["wrong.csv"].splitlines()))
    assert (wrong[0]["label"], wrong[0]["text"]) == (first["label"], first["text"])

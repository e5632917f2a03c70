"""What is wrong with data or model is told before the start, by the line of the study file that led there."""

from pathlib import Path

import pytest

from tests.hpo.typed import Typist

STUDY = """\
study: own
trainable: train_fn.text:epochs
objective: {maximize: f1_weighted}
config:
  model: tiny
  data:
    file: reviews.csv
    text: review
    label: stars
    cache: cache
search: {trials: 1}
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    rows = [f"{'good' if number % 2 else 'bad'} thing {number},{number % 2}" for number in range(60)]
    (tmp_path / "reviews.csv").write_text("\n".join(["review,stars", *rows]), encoding="utf-8")
    (tmp_path / "broken.csv").write_text('review,stars\n"one,0\n', encoding="utf-8")
    (tmp_path / "one.csv").write_text("\n".join(["review,stars", *(f"thing {one},1" for one in range(60))]))
    (tmp_path / "study.yaml").write_text(STUDY, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("written", "instead", "place"),
    [
        (
            "file: reviews.csv",
            "file: nowhere.csv",
            "study.yaml:7:5: config.data.file: `file` must be a file, found none",
        ),
        ("text: review", "text: revue", "study.yaml:8:5: config.data.text: "),
        ("label: stars", "label: star", "study.yaml:9:5: config.data.label: "),
        ("file: reviews.csv", "file: broken.csv", "study.yaml:7:5: config.data.file: "),
        ("file: reviews.csv", "file: one.csv", "study.yaml:6:3: config.data: there must be two labels or more"),
        ("model: tiny", "model: ./no-model", "study.yaml:5:3: config.model: `model` must "),
    ],
)
def test_a_fault_of_data_or_model_names_its_line(
    here: Path, typist: Typist, written: str, instead: str, place: str
) -> None:
    (here / "study.yaml").write_text(STUDY.replace(written, instead), encoding="utf-8")
    for words in (["check", "study.yaml"], ["run", "study.yaml", "--in-process"]):
        done = typist(here, *words)
        assert (done.code, done.err.count("\n")) == (2, 1) and done.error.startswith(place), done
    assert not (here / "studies").exists()


def test_a_fault_of_what_was_set_on_the_command_line_names_that(here: Path, typist: Typist) -> None:
    done = typist(here, "run", "study.yaml", "--in-process", "--set", "config.data.label=star")
    assert done.error.startswith("--set config.data.label=star: config.data.label: ") and done.code == 2


def test_a_fault_of_a_searched_setting_names_its_range(here: Path, typist: Typist) -> None:
    searched = STUDY.replace("  model: tiny\n", "").replace(
        "search: {trials: 1}", "search_space:\n  model: {choice: [tiny, ./no-model]}\nsearch: {trials: 1}"
    )
    (here / "study.yaml").write_text(searched, encoding="utf-8")
    assert typist(here, "check", "study.yaml").error.startswith("study.yaml:11:3: search_space.model: `model` must ")
    searched = searched.replace("model: {choice: [tiny, ./no-model]}", "data.max_train_rows: {choice: [40, -1]}")
    (here / "study.yaml").write_text(searched, encoding="utf-8")
    assert typist(here, "check", "study.yaml").error.startswith("study.yaml:11:3: search_space.data.max_train_rows: ")


def test_of_two_files_the_one_that_is_told_of_is_named_though_its_name_ends_like_the_others(
    here: Path, typist: Typist
) -> None:
    (here / "broken_reviews.csv").write_text('review,stars\n"one,0\n', encoding="utf-8")
    both = STUDY.replace("file: reviews.csv", "train: reviews.csv\n    test: ./broken_reviews.csv")
    (here / "study.yaml").write_text(both, encoding="utf-8")
    assert typist(here, "check", "study.yaml").error.startswith("study.yaml:8:5: config.data.test: ")


def test_a_fault_that_only_a_persons_own_code_knows_names_the_trainable(here: Path, typist: Typist) -> None:
    module = "import tests.toy\ndef prepare(config): raise ValueError('no rows; give some')\n"
    (here / "own.py").write_text(module + "def epochs(config: tests.toy.ToyConfig): yield\n")
    (here / "study.yaml").write_text(
        "study: own\ntrainable: own:epochs\nobjective: {maximize: score}\nsearch: {trials: 1}\n"
    )
    done = typist(here, "check", "study.yaml")
    assert done.error.startswith("study.yaml:2:1: trainable: no rows; give some"), done

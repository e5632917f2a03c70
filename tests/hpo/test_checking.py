"""What `hpo check` shows before anything is paid for: size, rows, faults, what is easy; no row of the sealed test."""

import io
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from hpo import checking
from hpo.errors import UsageError
from hpo.study import Study
from hpo.study_file import load_study
from tests.hpo.test_engine import toy_study
from tests.test_main_job import hpo

STUDY = """\
study: own
trainable: train_fn.text:epochs
objective: {maximize: f1_macro}
config: {data: {train: train.csv, valid: valid.csv, test: test.csv, cache: cache}, model: tiny, max_epochs: 4}
search_space:
  learning_rate: {log_uniform: [1.0e-4, 1.0e-2]}
  schedule: {choice: [linear, cosine]}
  warmup_ratio: {uniform: [0.0, 0.3], when: {schedule: [linear]}}
search: {searcher: tpe, scheduler: {asha: {first_rung: 2}}, trials: 6}
meant: [decay]
"""


@pytest.fixture
def study(folder: Path) -> Callable[..., Study]:
    """A study on splits of so many rows of each label, whose texts say which split they are of."""

    def build(**counts: int) -> Study:
        for split, share in {"train": 1.0, "valid": 0.5, "test": 0.5}.items():
            rows = [
                f"{split} {label} {number},{label}"
                for label, most in counts.items()
                for number in range(max(1, int(most * share)))
            ]
            (folder / f"{split}.csv").write_text("\n".join(["text,label", *rows]) + "\n")
        (folder / "own.yaml").write_text(STUDY)
        return load_study(folder / "own.yaml")

    return build


def shown(seen: dict[str, Any], width: int = 120) -> str:
    screen = io.StringIO()
    checking.show(seen, Console(file=screen, width=width, highlight=False))
    return screen.getvalue()


def row(text: str, label: str) -> list[str]:
    """The cells of a line of the table, but for the bar."""
    lines = [line.replace("█", " ").split() for line in text.splitlines()]
    return next(line for line in lines if line[: len(label.split())] == label.split())


def test_the_size_of_the_search_is_told_in_words(study: Callable[..., Study]) -> None:
    text = shown(checking.look(study(sun=30, rain=30)))
    assert text.startswith(
        "study own: 6 trials of at most 4 epochs, 3 parameters, tpe and asha (first_rung 2); maximize f1_macro\n"
        "  learning_rate: log_uniform 0.0001 to 0.01\n"
        "  schedule: choice linear, cosine\n"
        "  warmup_ratio: uniform 0 to 0.3, where schedule is linear\n"
    )


def test_rows_of_every_class_and_split_are_counted(study: Callable[..., Study]) -> None:
    text = shown(checking.look(study(sun=40, rain=20)))
    assert row(text, "all") == ["all", "60", "30", "30"]
    assert row(text, "sun") == ["sun", "40", "20", "20"] and row(text, "rain") == ["rain", "20", "10", "10"]
    [longest, half] = [line.count("█") for line in text.splitlines() if "█" in line]
    assert longest == checking.BAR and half == checking.BAR // 2


def test_the_rarest_of_many_classes_are_summed_up(study: Callable[..., Study]) -> None:
    counts = {f"class{number:02d}": 60 - 2 * number for number in range(14)}
    text = shown(checking.look(study(**counts)))
    assert sum(line.strip().startswith("class") and "█" in line for line in text.splitlines()) == 11
    rest = list(counts.values())[11:]
    assert row(text, "3 more classes")[3:] == [str(sum(rest)), *[str(sum(n // 2 for n in rest))] * 2]


def test_no_row_of_the_sealed_test_is_shown(study: Callable[..., Study], folder: Path) -> None:
    own = study(sun=30, rain=30)
    with (folder / "test.csv").open("a") as file:
        file.write("train sun 7,sun\ntest rain 0!,rain\n")  # one leaked from train, one nearly the same as another
    seen = checking.look(own)
    assert seen["data"]["report"]["leaks"]["train-test"] == {"exact": 1, "near": 0}
    for text in (shown(seen), json.dumps(seen)):
        assert "train sun 0" in text and "valid sun 0" in text
        assert "test sun" not in text and "test rain" not in text
    assert "test: 1 row as in train, 0 nearly so" in shown(seen)


def test_what_cleaning_did_is_told_with_its_rows(study: Callable[..., Study], folder: Path) -> None:
    own = study(sun=30, rain=30)
    with (folder / "train.csv").open("a") as file:
        file.write("no label,\n" * 2)
    assert "train.csv: " in (text := shown(checking.look(own)))
    assert any("2 rows: dropped (rows 61, 62)" in line for line in text.splitlines())
    assert any("2 rows: dropped" in line for line in checking.brief(checking.prepare(own)))


def test_rare_classes_are_warned_of_and_equal_ones_are_not(study: Callable[..., Study]) -> None:
    [unbalanced, few] = checking.look(study(sun=3000, rain=12))["warnings"]
    assert unbalanced.startswith("unbalanced: 3,000 rows of sun in train, 12 of rain (250 : 1)")
    assert few.startswith("valid has 6 of rain: one such row moves f1_macro by up to 0.083")  # 1/2 class, 1/6 of it
    assert checking.look(study(sun=3000, rain=2000))["warnings"] == []


def test_a_small_valid_split_has_a_large_error() -> None:
    found = {"rows": {"valid": 100}, "classes": {"valid": {"a": 50, "b": 50}}}
    described = {"linear": {"metrics": {"accuracy": 0.8}}}
    assert checking.noise(found, described)["standard_error"] == pytest.approx(math.sqrt(0.8 * 0.2 / 100))
    assert (
        "valid has 100 rows: the standard error of an accuracy of 0.80 is 0.040"
        in [*checking.warnings(found, described)][0]
    )
    certain = checking.noise(found, {"linear": {"metrics": {"accuracy": 1.0}}})
    assert certain["standard_error"] > 0, "a hundred right answers do not prove that all will be"
    assert checking.noise({"rows": {"valid": 100}}, {}) == {}, "of numbers there is no share of right ones"


def test_texts_that_say_nothing_are_warned_of(study: Callable[..., Study], folder: Path) -> None:
    own = study(sun=60, rain=40)
    for split in ("train", "valid"):
        labels = [line.rpartition(",")[2] for line in (folder / f"{split}.csv").read_text().splitlines()[1:]]
        rows = [f"{split} {number},{label}" for number, label in enumerate(labels)]
        (folder / f"{split}.csv").write_text("\n".join(["text,label", *rows]))
    assert any("no better than a constant answer" in line for line in checking.look(own)["warnings"])


def test_a_trainable_that_says_nothing_of_its_data_is_shown_all_the_same(folder: Path) -> None:
    seen = checking.look(toy_study())
    assert shown(seen).startswith(
        "study toy: 12 trials of at most 9 epochs, 2 parameters, tpe and asha; maximize score\n"
    )
    assert seen["warnings"] == [] and checking.brief(seen["data"]) == []


def test_that_trials_will_be_measured_is_said_only_where_they_will_be(folder: Path) -> None:
    packing = "packing: how many trials share a device will be measured"
    assert packing in shown(checking.look(toy_study(resources={"cpu": "auto", "gpu": 0})))
    assert packing not in shown(checking.look(toy_study(resources={"cpu": 1, "gpu": 0})))


def test_a_fault_that_a_closer_look_finds_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests import toy

    def describe(config: toy.ToyConfig, full: bool) -> dict[str, Any]:
        raise ValueError("the rows are upside down; turn them")

    monkeypatch.setattr(toy, "describe", describe, raising=False)
    with pytest.raises(UsageError, match="^toy: the rows are upside down; turn them$"):
        checking.look(toy_study())


def test_json_holds_all_that_is_shown_and_the_screen_fits(study: Callable[..., Study], folder: Path) -> None:
    study(sun=30, rain=30)
    seen = json.loads(hpo(folder, "check", "own.yaml", "--json", "--full").stdout)
    assert seen.keys() == {
        *("study", "trainable", "objective", "search", "search_space", "data"),
        *("examples", "lengths", "constant", "linear", "noise", "disk", "packing", "cost", "warnings"),
    }
    assert seen["data"]["rows"] == {"train": 60, "valid": 30, "test": 30} and "folder" not in seen["data"]
    table = [line for line in shown(seen, width=60).splitlines() if "█" in line]
    assert max(map(len, table)) <= 60


def test_a_study_begins_with_its_rows_and_what_is_wrong_with_them(study: Callable[..., Study], folder: Path) -> None:
    study(sun=400, rain=20)
    first, second, *_ = hpo(
        folder, "run", "own.yaml", "--in-process", "--set", "search.trials=1", "--set", "config.max_epochs=1"
    ).stdout.splitlines()
    assert first == "data: train 420, valid 210, test 210 rows, 2 classes"
    assert second.startswith("warning: unbalanced: 400 rows of sun in train, 20 of rain (20 : 1)")


def test_checking_imports_no_heavy_library(study: Callable[..., Study], folder: Path) -> None:
    study(sun=30, rain=30)
    code = (
        "import sys; sys.argv = ['hpo', 'check', 'own.yaml']\n"
        "from hpo.__main__ import main\n"
        "try: main()\n"
        "except SystemExit as end: assert end.code == 0\n"
        "print(*sorted({'torch', 'transformers', 'ray', 'mlflow', 'optuna'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "" and "study own" in done.stdout

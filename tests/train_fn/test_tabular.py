"""Gradient boosting as a trainable: it learns, goes on bit for bit, and its checkpoint is a model that runs no code."""

import subprocess
import sys
from collections.abc import Callable
from inspect import isgeneratorfunction
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.metrics import f1_score, root_mean_squared_error
from sklearn.preprocessing import FunctionTransformer
from threadpoolctl import threadpool_limits

from train_fn import tabular
from train_fn.checkpoint import CheckpointError
from train_fn.data import CleaningConfig, TableDataConfig, load, open_test
from train_fn.metrics import HIGHER_IS_BETTER
from train_fn.report import Report
from train_fn.saved_estimator import MODEL, _load_pyfunc, load_estimator
from train_fn.tabular import TabularConfig

ROWS = 600


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Three classes, told by a word and by the sign of a number of which some are missing; and a number."""
    random = np.random.default_rng(0)
    x, noise = random.normal(size=ROWS), random.normal(size=ROWS)
    colour = random.choice(["red", "green", "blue"], ROWS)
    label = np.where(colour == "red", "stop", np.where(x > 0, "go", "wait"))
    known = np.where(random.random(ROWS) < 0.05, np.nan, x)
    return pd.DataFrame(
        {"x": known, "noise": noise, "colour": colour, "label": label, "price": 3 * x + (colour == "red")}
    )


@pytest.fixture(scope="module")
def csv(table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "rows.csv"
    table.to_csv(path, index=False)
    return path


@pytest.fixture
def classes(csv: Path) -> Callable[..., TabularConfig]:
    def build(**settings: Any) -> TabularConfig:
        data = TableDataConfig(file=str(csv), columns=("x", "noise", "colour"), cache=str(csv.parent / "cache"))
        return TabularConfig(**{"data": data, "max_iter": 25, "eval_rounds": 10, **settings})

    return build


@pytest.fixture
def prices(csv: Path) -> TabularConfig:
    data = TableDataConfig(
        file=str(csv), task="regression", label="price", columns=("x", "colour"), cache=str(csv.parent / "cache")
    )
    return TabularConfig(data=data, max_iter=60, eval_rounds=30)


def steady(report: Report) -> dict[str, float]:
    return {name: value for name, value in report.metrics.items() if not name.startswith("time/")}


def saved(report: Report, folder: Path) -> Path:
    folder.mkdir()
    assert report.save is not None
    report.save(folder)
    return folder


def test_naming_a_run_loads_no_heavy_library() -> None:
    heavy = {"torch", "transformers", "pandas", "sklearn", "skops", "ray", "mlflow", "optuna"}
    script = f"import sys, train_fn.tabular; print(*sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""


def test_the_trainable_says_what_its_config_is() -> None:
    assert get_type_hints(tabular.epochs)["config"] is TabularConfig
    assert isgeneratorfunction(tabular.epochs)


def test_numbers_words_and_gaps_are_learnt(classes: Callable[..., TabularConfig]) -> None:
    *_, last = tabular.epochs(classes())
    assert last.metrics["accuracy"] > 0.9
    assert last.details["classes"].keys() == {"go", "stop", "wait"}
    assert sum(map(sum, last.details["confusion"])) == 90


def test_there_is_a_report_every_so_many_rounds_and_after_the_last(classes: Callable[..., TabularConfig]) -> None:
    assert [report.epoch for report in tabular.epochs(classes())] == [10, 20, 25]
    assert [report.epoch for report in tabular.epochs(classes(max_iter=20))] == [10, 20]
    assert [report.epoch for report in tabular.epochs(classes(max_iter=3))] == [3]
    assert classes().max_epochs == 25, "the budget that schedulers ask for"


def test_metrics_have_the_names_that_they_have_everywhere(
    classes: Callable[..., TabularConfig], prices: TabularConfig
) -> None:
    for config, task in ((classes(max_iter=5), "classification"), (prices, "regression")):
        [*_, last] = tabular.epochs(config)
        assert steady(last).keys() == HIGHER_IS_BETTER[task].keys()


@pytest.mark.parametrize("settings", [{}, {"max_features": 0.5}, {"class_weight": "balanced", "max_leaf_nodes": 4}])
def test_a_run_goes_on_from_each_checkpoint_as_if_it_had_never_stopped(
    classes: Callable[..., TabularConfig], tmp_path: Path, settings: dict[str, Any]
) -> None:
    config = classes(**settings)
    whole, checkpoints = [], []
    for report in tabular.epochs(config):
        whole.append(report)
        checkpoints.append(saved(report, tmp_path / str(report.epoch)))
    for done, checkpoint in enumerate(checkpoints, start=1):
        rest = []
        for report in tabular.epochs(config, checkpoint):
            rest.append(steady(report))
            again = saved(report, tmp_path / f"{done} {report.epoch}")
            columns = load(config.data).valid.columns
            one, other = (load_estimator(folder / MODEL) for folder in (again, tmp_path / str(report.epoch)))
            assert (one.predict_proba(columns) == other.predict_proba(columns)).all()
        assert rest == [steady(report) for report in whole[done:]]


def test_the_number_of_threads_changes_nothing(classes: Callable[..., TabularConfig]) -> None:
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append([steady(report) for report in tabular.epochs(classes(max_features=0.5))])
    assert found[0] == found[1]


def test_another_seed_draws_other_columns(classes: Callable[..., TabularConfig]) -> None:
    one, other = (
        [steady(report) for report in tabular.epochs(classes(max_features=0.4, seed=seed))] for seed in (1, 2**63 - 1)
    )
    assert one != other


def test_what_stands_in_a_checkpoint_is_read_without_running_code(tmp_path: Path) -> None:
    import os

    skops.io.dump(FunctionTransformer(func=os.system), tmp_path / MODEL)
    with pytest.raises(CheckpointError, match=r"types known to be safe, got others in .*system") as error:
        load_estimator(tmp_path / MODEL)
    assert "\n" not in str(error.value)


def test_trees_are_scored_on_the_sealed_rows_beside_a_linear_model(
    classes: Callable[..., TabularConfig], prices: TabularConfig, tmp_path: Path
) -> None:
    *_, last = tabular.epochs(classes())
    result = tabular.test(classes(), saved(last, tmp_path / "classes"))
    assert result.labels == ("go", "stop", "wait") and len(result.targets) == 90
    assert result.metrics["f1_weighted"] == f1_score(result.targets, result.predictions, average="weighted")
    assert result.metrics["f1_weighted"] > 0.9 and result.baseline["f1_weighted"] > 0.8
    assert "loss" in result.metrics, "whatever a study may be about"

    *_, last = tabular.epochs(prices)
    result = tabular.test(prices, saved(last, tmp_path / "prices"))
    assert result.metrics["rmse"] == pytest.approx(root_mean_squared_error(result.targets, result.predictions))
    spread = float(np.std(result.targets))
    assert result.metrics["rmse"] < spread / 2 and result.baseline["rmse"] < spread / 2
    assert result.baseline_setting["model"] == "Ridge"


def test_the_saved_model_answers_a_table_of_raw_columns(
    classes: Callable[..., TabularConfig], prices: TabularConfig, tmp_path: Path
) -> None:
    """As `mlflow.pyfunc.load_model` has it; a word never seen counts as missing."""
    for name, config in {"classes": classes(), "prices": prices}.items():
        *_, last = tabular.epochs(config)
        served = _load_pyfunc(str(saved(last, tmp_path / name) / MODEL))
        columns = open_test(config.data).columns
        answers = served.predict(columns)
        assert len(answers) == len(columns)
        if name == "classes":
            truth = np.array(["go", "stop", "wait"])[open_test(config.data).targets]
            assert (answers["label"] == truth).mean() > 0.9
            assert answers["score"].between(1 / 3, 1).all()
        assert len(served.predict(columns.assign(colour="violet"))) == len(columns)


def test_more_words_than_bins_share_the_last_one(tmp_path: Path) -> None:
    rows = [f"w{number % 40},{'a' if number % 40 < 20 else 'b'}" for number in range(400)]
    (tmp_path / "words.csv").write_text("\n".join(["word,label", *rows]))
    data = TableDataConfig(
        file=str(tmp_path / "words.csv"),
        cache=str(tmp_path / "cache"),
        near_duplicates="ignore",
        cleaning=CleaningConfig(duplicates="keep"),
    )
    *_, last = tabular.epochs(TabularConfig(data=data, max_bins=8, max_iter=5))
    assert 0 < last.metrics["accuracy"] < 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"max_bins": 256}, r"`max_bins` must be a whole number in \[2, 255\], got 256; try 255"),
        ({"max_leaf_nodes": 1}, "`max_leaf_nodes` must be a whole number >= 2, got 1; try 31"),
        ({"class_weight": "heavy"}, "`class_weight` must be one of none, balanced, got 'heavy'"),
        ({"max_features": 0}, r"`max_features` must be in \(0, 1\], got 0; try 1.0"),
    ],
)
def test_a_wrong_setting_is_told(classes: Callable[..., TabularConfig], settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        classes(**settings)


def test_settings_that_the_task_or_the_splits_cannot_follow_are_told(csv: Path) -> None:
    with pytest.raises(ValueError, match="`class_weight` must be none for regression"):
        TabularConfig(data=TableDataConfig(file=str(csv), task="regression"), class_weight="balanced")
    with pytest.raises(ValueError, match="`folds` must be 1 for boosting"):
        TabularConfig(data=TableDataConfig(file=str(csv), folds=5))

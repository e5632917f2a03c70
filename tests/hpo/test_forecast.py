"""What a study is told to cost, against what it does cost."""

from pathlib import Path
from typing import Any

import pytest

from hpo.account import Account
from hpo.forecast import expected, forecast, pace
from hpo.ledger import Ledger
from hpo.results import Results, read
from hpo.schedulers import SCHEDULERS
from hpo.study import Study
from tests.hpo.test_engine import new_engine, run


def study_of(scheduler: str | dict[str, Any] = "asha", trials: int = 30, **more: Any) -> Study:
    return Study.model_validate(
        {
            "study": "toy",
            "trainable": "tests.toy:epochs",
            "objective": {"maximize": "score"},
            "config": {"max_epochs": 9},
            "search_space": {"x": {"uniform": [-5.0, 5.0]}, "y": {"uniform": [-1.0, 1.0]}},
            "search": {"searcher": "random", "scheduler": scheduler, "trials": trials},
            **more,
        }
    )


def spent(folder: Path, study: Study) -> Account:
    engine = run(new_engine(folder, study))
    account = Account()
    for event in Ledger(engine.paths.ledger).events():
        account.apply(event)
    return account


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_study_trains_about_as_many_epochs_as_its_forecast_says(folder: Path, scheduler: str) -> None:
    study = study_of(scheduler, trials=8 if scheduler == "pbt" else 30)
    told = forecast(study, workers=1)
    assert told is not None
    assert told.low <= told.median <= told.high and told.most == study.search.trials * 9
    assert scheduler == "pbt" or told.high <= told.most  # children train what their parents left anew
    assert 0.8 * told.low <= spent(folder, study).epochs <= 1.2 * told.high


def test_without_a_scheduler_every_epoch_is_trained() -> None:
    told = forecast(study_of("fifo"), workers=2)
    assert told is not None and told.low == told.high == told.most == 270
    assert told.line() == "270 epochs; the first trials will tell how long one takes"


def test_the_cap_on_epochs_caps_the_forecast() -> None:
    told = forecast(study_of("fifo", budget={"epochs": 100}), workers=1)
    assert told is not None and (told.low, told.high, told.most) == (100, 100, 100)


def test_without_a_full_budget_nothing_is_forecast() -> None:
    study = study_of("fifo", config={}, search_space={"x": {"uniform": [-5.0, 5.0]}, "max_epochs": {"integer": [3, 9]}})
    assert forecast(study, workers=1) is None


def test_a_study_of_ten_thousand_trials_is_forecast_in_one_play() -> None:
    told = forecast(study_of(trials=10_000), workers=4)
    assert told is not None and 10_000 < told.median < 60_000


@pytest.mark.parametrize(("trials", "max_epochs"), [(999_999, 9), (2, 10**6), (999_999, 10**6)])
def test_the_largest_study_is_forecast_in_a_moment(trials: int, max_epochs: int) -> None:
    told = forecast(study_of(trials=trials, config={"max_epochs": max_epochs}), workers=4)
    assert told is not None and trials < told.median <= told.most == trials * max_epochs


def test_the_pace_is_that_of_earlier_studies_of_the_same_settings(folder: Path) -> None:
    first = study_of(trials=4)
    run(new_engine(folder, first))
    [results] = [read("toy")]
    seconds = pace([results])
    again = expected(first.model_copy(update={"study": "again"}), {})
    assert again is not None and again.seconds_per_epoch == seconds != None  # noqa: E711
    assert "at the pace of earlier studies here" in again.line()
    other = first.model_copy(update={"study": "other", "config": {"max_epochs": 9, "seconds": 0.1}})
    unknown = expected(other, {})
    assert unknown is not None and unknown.seconds_per_epoch is None


def test_a_study_that_trained_nothing_has_no_pace() -> None:
    assert pace([Results(study_of(), "interrupted", None)]) is None  # type: ignore[arg-type]

"""What a study took, and what stopping saved: the same on the screen, in JSON and in the report."""

from pathlib import Path

import pytest

from dashboards import costs
from hpo.frames import study_data
from hpo.history import State
from hpo.results import Results, read
from hpo.study import Study
from hpo.tables import print_winner
from tests.hpo.test_engine import new_engine, run
from tests.hpo.test_forecast import study_of


def test_the_account_at_the_end_says_what_stopping_saved(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = done(folder)
    complete, stopped = (
        [trial for trial in results.history.trials if trial.state is state] for state in (State.COMPLETE, State.PRUNED)
    )
    cost = results.as_json()["cost"]
    assert stopped and complete and cost["epochs"] == sum(trial.epochs for trial in results.history.trials)
    assert cost["saved_epochs"] == 9 * 30 - cost["epochs"] > 0
    print_winner(results)
    assert f"stopping saved {cost['saved_epochs']:g} epochs" in capsys.readouterr().out


def test_the_report_and_the_account_say_the_same(folder: Path) -> None:
    results = done(folder, study_of(config={"max_epochs": 9, "seconds": 0.01}))
    told, drawn = results.cost, costs.data(study_data(results))
    assert told["saved_seconds"] == pytest.approx(drawn.saved, rel=0.05)  # the report has seconds in three places
    assert drawn.total <= told["worker_seconds"]  # that counts start-up as well


def test_without_a_complete_trial_nobody_knows_what_was_saved(folder: Path) -> None:
    results = done(folder, study_of(trials=1, config={"max_epochs": 9, "fails_at": 2}))
    assert results.cost["saved_epochs"] is None


def done(folder: Path, study: Study | None = None) -> Results:
    run(new_engine(folder, study or study_of()))
    return read("toy")

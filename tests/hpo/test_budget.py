"""What is spent, and when it is enough."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hpo.account import Account
from hpo.budget import Budget
from hpo.engine import Engine
from hpo.event import Event
from hpo.history import State
from hpo.objective import Objective
from tests.hpo.test_engine import after_reports, new_engine, run, toy_study


def event(time: float, kind: str, trial: int | None = None, **payload: object) -> Event:
    return Event(seq=0, time=time, kind=kind, trial=trial, attempt=1, step=None, payload=payload)


def folded(*events: Event) -> Account:
    account = Account()
    for one in events:
        account.apply(one)
    return account


def test_two_trials_side_by_side_cost_one_hour_and_two_gpu_hours() -> None:
    account = folded(
        event(0, "opened"),
        event(100, "started", 0, from_step=0, gpus=1),
        event(100, "started", 1, from_step=0, gpus=1),
        event(3700, "ended", 0, state="COMPLETE"),
        event(3700, "ended", 1, state="COMPLETE"),
        event(9999, "finished"),
    )
    assert (account.seconds, account.worker_seconds, account.gpu_seconds) == (3600, 7200, 7200)


def test_the_time_between_a_dead_driver_and_the_next_is_not_paid_for() -> None:
    account = folded(
        event(0, "opened"),
        event(0, "started", 0, from_step=0, gpus=0.5),
        event(60, "reported", 0, epoch=1.0),
        event(1_000_060, "opened"),
        event(1_000_061, "lost", 0),
        event(1_000_070, "started", 0, from_step=1, gpus=0.5),
        event(1_000_100, "reported", 0, epoch=2.0),
    )
    assert (account.seconds, account.gpu_seconds, account.epochs) == (90, 45, 2)


def test_an_epoch_trained_twice_is_paid_for_twice() -> None:
    account = folded(
        event(0, "started", 0, from_step=0),
        event(1, "reported", 0, epoch=1.0),
        event(2, "reported", 0, epoch=2.0),
        event(3, "lost", 0),
        event(4, "started", 0, from_step=1),
        event(5, "reported", 0, epoch=2.0),
    )
    assert account.epochs == 3


def test_a_clock_that_goes_back_takes_nothing_back() -> None:
    account = folded(event(100, "started", 0, from_step=0, gpus=1), event(40, "reported", 0, epoch=1.0))
    assert account.seconds == 0
    assert account.at(50).seconds == 10 and account.seconds == 0, "looking ahead changes nothing"


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=20))
def test_reports_in_between_change_no_cost(times: list[float]) -> None:
    begin, *between, end = sorted(times)
    reports = [event(time, "reported", 0, epoch=float(number)) for number, time in enumerate(between, start=1)]
    account = folded(event(begin, "started", 0, from_step=0, gpus=2), *reports, event(end, "ended", 0, state="FAILED"))
    assert account.gpu_seconds == pytest.approx(2 * (end - begin))


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        (Budget(epochs=10), "the budget of 10 epochs is spent"),
        (Budget(hours=2), "the budget of 2 hours is spent"),
        (Budget(gpu_hours=4), "the budget of 4 GPU-hours is spent"),
        (Budget(money=10, price_per_gpu_hour=2.5), "the budget of 10 in money is spent"),
        (Budget(epochs=10.5, hours=2.1, gpu_hours=4.1, money=10.1, price_per_gpu_hour=2.5), None),
        (Budget(), None),
    ],
)
def test_a_cap_is_reached_when_so_much_is_spent(budget: Budget, words: str | None) -> None:
    assert budget.spent(Account(seconds=7200, gpu_seconds=14400, epochs=10)) == words


def test_a_target_is_reached_in_the_direction_of_the_objective() -> None:
    up, down = Objective(maximize="f1"), Objective(minimize="loss")
    assert Budget(target=0.9).reached(0.91, up) == "the target is reached: f1 0.91, asked for was 0.9"
    assert Budget(target=0.9).reached(0.89, up) is None
    assert Budget(target=0.2).reached(0.19, down) is not None
    assert Budget(target=0.2).reached(0.21, down) is None
    assert Budget(target=0.9).reached(None, up) is None


def test_money_needs_a_price() -> None:
    with pytest.raises(ValidationError, match="add price_per_gpu_hour"):
        Budget(money=5)


def budgeted(folder: Path, **budget: float) -> Engine:
    return run(new_engine(folder, toy_study(budget=budget, search={"scheduler": "fifo", "trials": 12})))


def test_a_study_ends_with_its_budget_of_epochs(folder: Path) -> None:
    engine = budgeted(folder, epochs=20)
    assert engine.account.epochs == 20, "9 + 9 + 2: a cap is kept at every report"
    assert engine.history.finished == "the budget of 20 epochs is spent"
    assert [trial.state for trial in engine.history.trials] == [State.COMPLETE, State.COMPLETE, State.PRUNED]


def test_a_budget_counts_on_through_a_resume(folder: Path) -> None:
    study = toy_study(budget={"epochs": 20}, search={"scheduler": "fifo", "trials": 12})
    after_reports(new_engine(folder, study), 5)  # as kill -9 would leave it
    engine = run(new_engine(folder, study))
    assert engine.account.epochs == 20
    again = new_engine(folder, study)
    assert again.next_segment() is None, "nothing is left to spend"


def test_a_study_ends_at_its_target(folder: Path) -> None:
    engine = budgeted(folder, target=-15.0)
    reason = engine.history.finished
    assert reason.startswith("the target is reached: score -") and reason.endswith("asked for was -15")
    winner = engine.history.winner(engine.study.objective)
    assert winner is not None and (winner.value(engine.study.objective) or -99) >= -15
    assert len(engine.history.trials) < 12


def test_running_workers_are_given_up_when_the_time_is_spent(folder: Path) -> None:
    study = toy_study(budget={"hours": 1e-9}, search={"trials": 3})
    engine = new_engine(folder, study)
    segment = engine.next_segment()
    assert segment is not None
    assert [reason for _, reason in engine.overdue()] == ["the budget of 1e-09 hours is spent"]
    engine.lost(segment, "its worker was ended")
    assert engine.history.trials[0].state is State.PRUNED and engine.next_segment() is None

"""Workers that die, raise, fall silent or speak too late: what becomes of their trials."""

import logging
from pathlib import Path

import pytest

from hpo.engine import Engine
from hpo.executors.in_process import execute
from hpo.history import State
from hpo.leases import FIRST_START, LEAST, LEAST_START, TIMES_THE_SLOWEST, TIMES_THE_SLOWEST_START, Leases
from hpo.segment import Reported, Segment
from hpo.stopping import Stop
from hpo.study import Workers
from tests.hpo.engines import failure, new_engine, report, run, segment_of, toy_study
from tests.toy import noted

ONE = {"trials": 1, "scheduler": "fifo"}


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def watched(folder: Path, **workers: object) -> tuple[Engine, Clock]:
    engine = new_engine(folder, toy_study(search={"trials": 3, "scheduler": "fifo"}, workers=workers))
    clock = Clock()
    engine.leases = Leases(engine.study.workers, clock)
    return engine, clock


def test_silence_beyond_the_lease_is_told_and_within_it_is_not(folder: Path) -> None:
    engine, clock = watched(folder, startup=100.0, lease=10.0)
    segment = segment_of(engine)
    clock.now += 99
    assert engine.overdue() == [], "starting takes longer than a step"
    engine.reported(segment, report(1))
    clock.now += 10
    assert engine.overdue() == []
    clock.now += 1
    assert engine.overdue() == [(segment, "no report for 11 s, more than its lease of 10 s")]


def test_a_worker_that_never_reports_is_given_up_after_its_startup(folder: Path) -> None:
    engine, clock = watched(folder, startup=100.0)
    segment = segment_of(engine)
    clock.now += 101
    assert [late for late, _ in engine.overdue()] == [segment]


def test_a_start_is_given_thirty_times_what_the_slowest_has_taken(folder: Path) -> None:
    engine, clock = watched(folder)
    first, second = segment_of(engine), segment_of(engine)
    clock.now += FIRST_START
    assert engine.overdue() == [], "nobody knows yet how long a start takes"
    engine.lost(second, "the worker process died")
    clock.now -= FIRST_START - 100  # seconds
    engine.reported(first, report(1))
    clock.now += 900
    engine.reported(first, report(2, seconds=900.0))
    segment = segment_of(engine)
    clock.now += TIMES_THE_SLOWEST_START * 100
    assert engine.overdue() == [], "a slow report is no slow start"
    clock.now += 1
    assert engine.overdue() == [(segment, "no report for 3001 s, more than its lease of 3000 s")]


def test_quick_starts_do_not_make_a_study_impatient(folder: Path) -> None:
    engine, clock = watched(folder)
    engine.reported(segment_of(engine), report(1, seconds=10_000.0))
    segment_of(engine)
    clock.now += LEAST_START
    assert engine.overdue() == []
    clock.now += 1
    assert len(engine.overdue()) == 1


def test_the_lease_is_learned_from_the_trials_own_pace(folder: Path) -> None:
    engine, clock = watched(folder)
    quick, slow = segment_of(engine), segment_of(engine)
    engine.reported(quick, report(1, seconds=0.1))
    engine.reported(slow, report(1, seconds=30.0))
    engine.reported(slow, report(2, seconds=1.0))
    clock.now += LEAST + 1
    assert [late for late, _ in engine.overdue()] == [quick], "the floor for a quick one, its slowest report for a slow"
    clock.now += TIMES_THE_SLOWEST * 30.0 - LEAST
    assert [late for late, _ in engine.overdue()] == [quick, slow]


def test_a_trial_that_has_let_its_worker_go_is_not_watched(folder: Path) -> None:
    engine, clock = watched(folder, startup=1.0, lease=1.0)
    done, broken, lost = segment_of(engine), segment_of(engine), segment_of(engine)
    engine.reported(done, report(1))
    engine.completed(done)
    engine.failed(broken, failure())
    engine.lost(lost, "the worker process died")
    clock.now += 10**6
    assert engine.overdue() == []


def test_what_a_replaced_worker_says_is_refused_and_logged_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    engine = new_engine(folder, toy_study(search=ONE))
    old = segment_of(engine)
    engine.lost(old, "no report for 11 s")
    new = segment_of(engine)
    rows = len(engine.ledger.events())
    with caplog.at_level(logging.WARNING, logger="hpo.engine"):
        assert engine.reported(old, report(1, score=99.0)) is False
        engine.completed(old)
        engine.failed(old, failure())
        engine.lost(old, "the worker process died")
    assert len(engine.ledger.events()) == rows
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "ignored: word of attempt 1 of trial 0, which is over"
    ]
    assert engine.reported(new, report(1)) is True


@pytest.mark.parametrize("trial, attempt", [(7, 1), (0, 9), (0, 1)], ids=["unknown", "never begun", "ended"])
def test_a_late_completion_of_no_running_trial_changes_nothing(folder: Path, trial: int, attempt: int) -> None:
    engine = run(new_engine(folder, toy_study(search=ONE)))
    before = engine.ledger.events()
    late = Segment(
        trial=trial, attempt=attempt, trainable="", config={}, checkpoint=None, from_step=0, folder="", threads=1
    )
    engine.completed(late)
    engine.lost(late, "the worker process died")
    assert engine.reported(late, report(1)) is False
    assert engine.ledger.events() == before


def test_an_error_is_tried_once_more_from_the_last_checkpoint(folder: Path) -> None:
    study = toy_study(config={"max_epochs": 5, "fails_at": 3, "witness": str(folder / "witness")}, search=ONE)
    engine = run(new_engine(folder, study))
    [trial] = engine.history.trials
    assert (trial.state, trial.attempt) == (State.FAILED, 2)
    assert trial.reason.startswith("RuntimeError: broken in epoch 3 (toy.py:")
    assert [line["epoch"] for line in noted(folder / "witness")] == [1, 2, 3, 3]


@pytest.mark.parametrize(
    "ends, said",
    [(SystemExit(3), "SystemExit: 3"), (BaseException("odd"), "BaseException: odd")],
    ids=["exit", "no Exception"],
)
def test_a_trainable_that_would_end_its_process_fails_its_trial_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch, ends: BaseException, said: str
) -> None:
    def raising(*_: object, **__: object) -> None:
        raise ends

    monkeypatch.setattr("tests.toy.note", raising)
    engine = run(new_engine(folder, toy_study(search=ONE)))
    [trial] = engine.history.trials
    assert trial.state is State.FAILED and trial.reason.startswith(f"{said} (test_engine_workers.py:")


def test_the_study_goes_on_after_a_trial_that_always_raises(folder: Path) -> None:
    engine = new_engine(folder, toy_study(search={"trials": 3, "scheduler": "fifo"}))
    broken = segment_of(engine)
    engine.failed(broken, failure())
    engine.failed(segment_of(engine), failure())
    assert engine.history.trials[broken.trial].state is State.FAILED
    run(engine)
    assert [trial.state for trial in engine.history.trials] == [State.FAILED, State.COMPLETE, State.COMPLETE]


def test_an_error_at_another_step_is_another_error(folder: Path) -> None:
    engine = new_engine(folder, toy_study(search=ONE))
    engine.failed(segment_of(engine), failure())
    again = segment_of(engine)
    engine.reported(again, report(1))
    engine.failed(again, failure())
    assert engine.history.trials[0].state is State.WAITING


def test_errors_are_bounded_even_where_no_two_are_alike(folder: Path) -> None:
    engine = new_engine(folder, toy_study(search=ONE, workers={"retries": 2}))
    for number in range(3):
        engine.failed(segment_of(engine), failure(f"RuntimeError: number {number}"))
    assert engine.history.trials[0].state is State.FAILED


def test_a_machine_that_was_taken_away_does_not_count_against_the_trial(folder: Path) -> None:
    engine = new_engine(folder, toy_study(search=ONE, workers={"retries": 0}))
    for _ in range(20):
        engine.lost(segment_of(engine), "its machine was taken away", counts=False)
    assert engine.history.trials[0].state is State.WAITING
    engine.lost(segment_of(engine), "the worker process died")
    assert engine.history.trials[0].reason == "its worker was lost 1 time: the worker process died"


def test_a_stop_lets_reports_under_way_in_and_hands_out_nothing_more(folder: Path) -> None:
    stop = Stop()
    engine = new_engine(folder, toy_study(search={"trials": 3, "scheduler": "fifo"}), stop)
    segment = segment_of(engine)
    stop.asked = 2
    assert engine.next_segment() is None
    assert engine.reported(segment, report(1)) is False
    [trial] = engine.history.trials
    assert (trial.state, trial.last_step, trial.losses, engine.running) == (State.WAITING, 1, 0, 0)


def test_a_stopped_study_trains_no_epoch_again(folder: Path) -> None:
    study = toy_study(config={"max_epochs": 6, "witness": str(folder / "witness")}, search=ONE)
    stop = Stop()
    engine = new_engine(folder, study, stop)
    reported = engine.reported

    def stopping_after_three(segment: Segment, said: Reported) -> bool:
        stop.asked = 2 if said.step == 3 else 0
        return reported(segment, said)

    engine.reported = stopping_after_three  # type: ignore[method-assign]
    execute(engine)
    run(new_engine(folder, study))
    assert [line["epoch"] for line in noted(folder / "witness")] == [1, 2, 3, 4, 5, 6]


def test_no_lease_is_shorter_than_nothing() -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        Workers(lease=0)


def test_a_flood_of_reports_holds_back_only_its_own_trial(folder: Path) -> None:
    """A worker goes on only after the row: however fast it yields, one report is under way at a time."""
    study = toy_study(config={"max_epochs": 2000, "witness": str(folder / "witness")}, search=ONE)
    engine = new_engine(folder, study)
    segment = segment_of(engine)
    from hpo.worker import run_segment

    said = run_segment(segment)
    for _ in range(50):
        word = next(said)
        assert isinstance(word, Reported)
        assert len(noted(folder / "witness")) == word.step == engine.history.trials[0].last_step + 1
        engine.reported(segment, word)
    said.close()

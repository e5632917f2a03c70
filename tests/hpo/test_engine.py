"""The study loop over a toy trainable, in this process: what it runs, records, stops, retries and resumes."""

from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest

from hpo.engine import Engine
from hpo.errors import Resumable, StudyFailed, UsageError
from hpo.history import State, fold
from hpo.ledger import Ledger
from hpo.paths import StudyPaths
from hpo.segment import Reported, Said
from hpo.worker import run_segment
from tests.hpo.engines import new_engine, run, toy_study
from tests.toy import noted


def after_reports(engine: Engine, reports: int) -> Generator[Said, None, None]:
    """A first segment whose first reports were acknowledged; it can go on."""
    segment = engine.next_segment()
    assert segment is not None
    said = run_segment(segment)
    for _ in range(reports):
        word = next(said)
        assert isinstance(word, Reported)
        engine.reported(segment, word)
    return said


def test_a_study_runs_to_its_end_and_finds_the_optimum(folder: Path) -> None:
    engine = run(new_engine(folder, toy_study()))
    states = Counter(trial.state for trial in engine.history.trials)
    assert states[State.COMPLETE] + states[State.PRUNED] == 12 and states[State.PRUNED] > 0
    assert engine.history.finished == "all 12 trials ended"
    winner = engine.history.winner(engine.study.objective)
    assert winner is not None and abs(float(winner.params["x"]) - 3) < 1.5  # type: ignore[arg-type]


def test_the_history_is_the_fold_of_the_ledger(folder: Path) -> None:
    engine = run(new_engine(folder, toy_study()))
    assert fold(Ledger(engine.paths.ledger).events()) == engine.history


def test_every_stop_stands_in_the_ledger_with_its_numbers(folder: Path) -> None:
    engine = run(new_engine(folder, toy_study()))
    stops = [event.payload for event in engine.ledger.events() if event.kind == "decided" and event.payload["stop"]]
    assert len(stops) == sum(trial.state is State.PRUNED for trial in engine.history.trials)
    for stop in stops:
        assert stop["score"] < stop["cutoff"] and stop["rung"] in (1, 3)


def test_only_the_winners_best_checkpoint_is_left(folder: Path) -> None:
    engine = run(new_engine(folder, toy_study()))
    winner = engine.history.winner(engine.study.objective)
    assert winner is not None
    best = winner.best(engine.study.objective)
    assert best is not None and best.checkpoint is not None
    left = [path.parent for path in (folder / "studies").rglob("manifest.json")]
    assert left == [engine.paths.trial(winner.number) / best.checkpoint]


@pytest.mark.parametrize("part", range(10))
def test_a_ledger_cut_after_any_event_leads_to_the_same_study(folder: Path, part: int) -> None:
    """Every tenth prefix of a whole study's ledger is what a crash right after that commit leaves."""
    whole = run(new_engine(folder / "whole", toy_study()))
    events = whole.ledger.events()
    for cut in range(2 + part, len(events), 10):
        engine = new_engine(folder / f"cut-{cut}", toy_study())
        for event in events[1:cut]:
            engine.ledger.append(event.kind, event.trial, event.attempt, event.step, **event.payload)
        engine = run(new_engine(folder / f"cut-{cut}", toy_study()))
        for ours, theirs in zip(engine.history.trials, whole.history.trials, strict=True):
            assert (ours.params, ours.state, ours.reason) == (theirs.params, theirs.state, theirs.reason), cut


@pytest.mark.parametrize("stop_after", [1, 2, 5, 11])
def test_a_resumed_study_decides_as_the_uninterrupted_one(folder: Path, stop_after: int) -> None:
    """The driver disappears after every third report; each rerun starts from the ledger alone."""
    whole = run(new_engine(folder / "whole", toy_study()))
    engine = new_engine(folder / "broken", toy_study())
    reports = 0
    while segment := engine.next_segment():
        said = run_segment(segment)
        for word in said:
            assert isinstance(word, Reported)
            goes_on = engine.reported(segment, word)
            reports += 1
            if reports == stop_after:  # as kill -9 would: nothing is closed, nothing is said
                engine = new_engine(folder / "broken", toy_study())
                break
            if not goes_on:
                said.close()
        else:
            engine.completed(segment)
    engine.finish()
    assert [trial.params for trial in engine.history.trials] == [trial.params for trial in whole.history.trials]
    assert [trial.state for trial in engine.history.trials] == [trial.state for trial in whole.history.trials]
    scores = [[e.metrics for e in trial.evaluations] for trial in engine.history.trials]
    assert scores == [[e.metrics for e in trial.evaluations] for trial in whole.history.trials]


def test_no_acknowledged_epoch_is_trained_again(folder: Path) -> None:
    study = toy_study(
        config={"max_epochs": 5, "witness": str(folder / "witness")}, search={"trials": 1, "scheduler": "fifo"}
    )
    engine = new_engine(folder, study)
    said = after_reports(engine, 3)
    said.close()
    run(new_engine(folder, study))
    assert [line["epoch"] for line in noted(folder / "witness")] == [1, 2, 3, 4, 5]


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(folder: Path) -> None:
    study = toy_study(search={"trials": 1, "scheduler": "fifo"}, objective={"minimize": "score"})
    engine = new_engine(folder, study)  # the score rises: the first checkpoint stays the best and is kept
    after_reports(engine, 3)
    newest = engine.paths.trial(0) / "checkpoint-0003-1" / "state.json"
    newest.write_text(newest.read_text() + " ")
    again = new_engine(folder, study).next_segment()
    assert again is not None
    assert (again.from_step, again.attempt) == (1, 2)


def test_a_late_report_of_an_older_attempt_is_refused(folder: Path) -> None:
    engine = new_engine(folder, toy_study())
    old = engine.next_segment()
    assert old is not None
    engine.lost(old, "the worker process died")
    new = engine.next_segment()
    assert new is not None and new.attempt == old.attempt + 1 and new.trial == old.trial
    late = Reported(step=1, epoch=1.0, metrics={"score": 99.0}, seconds=1.0, checkpoint=None, diverged=None)
    assert engine.reported(old, late) is False
    assert engine.history.trials[0].evaluations == []
    assert engine.reported(new, late) is True


def test_a_worker_lost_four_times_fails_its_trial(folder: Path) -> None:
    engine = new_engine(folder, toy_study(search={"trials": 1}))
    for _ in range(4):
        segment = engine.next_segment()
        assert segment is not None
        engine.lost(segment, "the worker process died")
    assert engine.next_segment() is None
    assert engine.history.trials[0].state is State.FAILED


def test_nan_ends_the_trial_as_diverged_and_it_cannot_win(folder: Path) -> None:
    engine = run(new_engine(folder, toy_study(config={"diverges_at": 2}, search={"trials": 3, "scheduler": "fifo"})))
    assert {trial.state for trial in engine.history.trials} == {State.DIVERGED}
    assert engine.history.trials[0].reason == "score is nan at epoch 2"
    assert engine.history.winner(engine.study.objective) is None


def test_a_diverged_trial_without_the_objective_is_diverged_and_the_study_goes_on(folder: Path) -> None:
    study = toy_study(config={"gives_up_at": 1}, search={"trials": 3}, objective={"minimize": "cost"})
    engine = run(new_engine(folder, study))
    assert [(trial.state, trial.reason) for trial in engine.history.trials] == [(State.DIVERGED, "loss is nan")] * 3


def test_a_missing_objective_fails_the_trial_with_the_key_named(folder: Path) -> None:
    engine = run(new_engine(folder, toy_study(objective={"maximize": "f1"}, search={"trials": 2})))
    assert engine.history.trials[0].reason == "reported no f1, the objective; its metrics are cost, score"


def test_three_identical_failures_at_the_start_end_the_study(folder: Path) -> None:
    engine = run(new_engine(folder, toy_study(config={"fails_at": 1})))
    assert [trial.state for trial in engine.history.trials] == [State.FAILED] * 3
    assert engine.history.finished.startswith(
        "stopped: the first 3 trials failed alike: RuntimeError: broken in epoch 1"
    )


def test_a_study_that_exists_is_refused_naming_both_ways_on(folder: Path) -> None:
    from hpo.driver import start

    start(toy_study(search={"trials": 2}), text="", in_process=True)
    with pytest.raises(UsageError, match=r"`hpo resume toy`.*--name"):
        start(toy_study(), text="", in_process=True)


def test_too_many_failures_are_an_error_of_the_study(folder: Path) -> None:
    from hpo.driver import start

    with pytest.raises(StudyFailed, match="3 of 3 trials of toy failed or diverged, the first: RuntimeError: broken"):
        start(toy_study(config={"fails_at": 1}), text="", in_process=True)


def test_a_second_resume_changes_nothing(folder: Path) -> None:
    from hpo.driver import resume, start

    start(toy_study(search={"trials": 2}), text="", in_process=True)
    before = StudyPaths.of("toy").ledger.read_bytes()
    resume("toy", in_process=True)
    assert StudyPaths.of("toy").ledger.read_bytes() == before


def test_a_running_study_is_not_started_again(folder: Path) -> None:
    from hpo.driver import resume, start
    from hpo.study_lock import study_lock

    start(toy_study(search={"trials": 2}), text="", in_process=True)
    with study_lock(StudyPaths.of("toy")), pytest.raises(Resumable, match="is being run by pid"):
        resume("toy", in_process=True)


def test_a_study_without_a_winner_is_an_error(folder: Path) -> None:
    from hpo.driver import start

    with pytest.raises(StudyFailed, match="2 of 2 trials of toy failed or diverged, the first: score is nan"):
        start(toy_study(config={"diverges_at": 1}, search={"trials": 2}), text="", in_process=True)


def test_a_study_goes_on_only_with_the_data_it_began_with(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hpo.driver import resume, start
    from tests import toy

    study = toy_study(config={"interrupts_at": 2}, search={"trials": 2})
    monkeypatch.setattr(toy, "FINGERPRINT", "the first rows")
    with pytest.raises(KeyboardInterrupt):
        start(study, text="", in_process=True)
    (folder / "resumed").touch()
    monkeypatch.setattr(toy, "FINGERPRINT", "other rows")
    with pytest.raises(
        UsageError, match="the fingerprint of the data was the first rows, is other rows; bring it back"
    ):
        resume("toy", in_process=True)
    monkeypatch.setattr(toy, "FINGERPRINT", "the first rows")
    resume("toy", in_process=True)


def test_a_fault_in_the_data_leaves_nothing_behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hpo.driver import start
    from tests import toy

    monkeypatch.setattr(toy, "FINGERPRINT", "")
    with pytest.raises(UsageError, match="toy: there are no rows"):
        start(toy_study(), text="", in_process=True)
    assert not (folder / "studies").exists()


def test_what_a_crash_left_half_written_is_swept_away(folder: Path) -> None:
    engine = new_engine(folder, toy_study(search={"trials": 1, "scheduler": "fifo"}))
    said = after_reports(engine, 2)
    next(said)  # committed by the worker, never acknowledged
    said.close()
    (engine.paths.trial(0) / "checkpoint-0004-1.0123.tmp").mkdir()
    new_engine(folder, engine.study)
    assert sorted(path.name for path in engine.paths.trial(0).iterdir()) == ["checkpoint-0002-1"]


def test_a_screen_that_has_gone_does_not_end_the_study(folder: Path) -> None:
    import io

    from hpo.tracking.board import Board
    from hpo.tracking.terminal import Terminal

    class Closed(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    engine = new_engine(folder, toy_study(search={"trials": 2}))
    engine.tell = Terminal(Board(engine.study), Closed()).tell
    assert run(engine).history.finished

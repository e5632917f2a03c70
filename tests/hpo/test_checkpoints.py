"""Which checkpoints lie on the disk: enough to go on and to promote, and no more; and what happens to damaged ones."""

import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpo.engine import Engine
from hpo.history import REGULAR, State, Trial
from hpo.segment import Reported, Segment
from hpo.shelf import Folder
from hpo.study_file import Study
from hpo.writing import checkpoint_name
from tests.hpo.test_engine import after_reports, new_engine, run, toy_study
from train_fn.checkpoint import CheckpointError, commit, verify


def study_of(trials: int = 1, keep: int = 1, **changes: Any) -> Study:
    search = {"trials": trials, "scheduler": "fifo", "searcher": "random"}
    return toy_study(search=search, disk={"keep": keep}, **changes)


def report(engine: Engine, segment: Segment, score: float, save: bool = True, damage: str = "") -> bool:
    """A checkpoint of two files and its row, as a worker and its driver write them."""
    trial = engine.history.trials[segment.trial]
    step = (trial.evaluations[-1].step if trial.evaluations else 0) + 1
    name = checkpoint_name(step, segment.attempt) if save else None
    if name:
        commit(Path(segment.folder) / name, lambda folder: write(folder, step))
    if name and damage:
        (Path(segment.folder) / name / damage).write_bytes(b"")
    metrics = {"score": score}
    said = Reported(step=step, epoch=step, metrics=metrics, seconds=1.0, checkpoint=name, diverged=None)
    return engine.reported(segment, said)


def write(folder: Path, step: int) -> None:
    (folder / "state.json").write_text(json.dumps({"epoch": step}))
    (folder / "model").mkdir()
    (folder / "model" / "weights").write_bytes(bytes(range(100)))


def begun(engine: Engine) -> Segment:
    segment = engine.next_segment()
    assert segment is not None
    return segment


def lying(engine: Engine, trial: int = 0) -> list[int]:
    """The steps of the checkpoints on the disk."""
    return sorted(int(path.name.split("-")[1]) for path in engine.paths.trial(trial).glob("*"))


def test_of_a_live_trial_the_latest_and_the_best_are_kept_and_where_they_are_one_a_single_folder(folder: Path) -> None:
    engine = new_engine(folder, study_of())
    segment, seen = begun(engine), []
    for score in (1.0, 3.0, 2.0, 2.5, 4.0):
        report(engine, segment, score)
        seen.append(lying(engine))
    assert seen == [[1], [2], [2, 3], [2, 4], [5]]


@pytest.mark.parametrize("scheduler", ["fifo", "asha", "promoting_asha", "hyperband"])
def test_after_a_study_the_best_of_the_winner_is_there_and_nothing_else(folder: Path, scheduler: str) -> None:
    """Also where a trial is judged and ended by the very report that brought its best."""
    engine = run(new_engine(folder, toy_study(search={"scheduler": scheduler, "searcher": "random", "trials": 12})))
    winner = engine.history.winner(engine.study.objective)
    assert winner is not None
    best = winner.best(engine.study.objective)
    assert best is not None and best.checkpoint is not None
    [left] = engine.paths.trials.glob("*/*")
    assert left == engine.paths.trial(winner.number) / best.checkpoint
    verify(left)


def test_a_trial_that_is_ended_by_the_report_of_its_best_keeps_that(folder: Path) -> None:
    """Report and end are one commit, so that the trial has ended before its report is acted on."""
    engine = new_engine(folder, study_of(trials=3, budget={"target": 5.0}))
    one, other = begun(engine), begun(engine)
    report(engine, one, 1.0)
    assert report(engine, other, 6.0) is False
    assert engine.history.trials[1].state is State.PRUNED
    assert [lying(engine, trial) for trial in range(2)] == [[1], [1]]
    engine.lost(one, "the worker process died")  # ends it, too: the target is reached
    assert [lying(engine, trial) for trial in range(2)] == [[], [1]]


def test_of_trials_that_end_together_the_best_keeps_its_checkpoint(folder: Path) -> None:
    engine = new_engine(folder, study_of(trials=3, budget={"target": 5.0}))
    segments = [begun(engine) for _ in range(3)]
    for segment, score in zip(segments, (1.0, 2.0), strict=False):
        report(engine, segment, score)
        report(engine, segment, score - 0.5)
        engine.lost(segment, "the worker process died")
    report(engine, segments[2], float("nan"))
    engine.study = engine.study.model_copy(update={"budget": engine.study.budget.model_copy(update={"epochs": 1.0})})
    assert engine.next_segment() is None  # nothing is left to spend: all that wait end in one commit
    assert [trial.state.ended for trial in engine.history.trials] == [True] * 3
    assert [lying(engine, trial) for trial in range(3)] == [[], [1], []]


def test_a_report_without_a_checkpoint_takes_none_away(folder: Path) -> None:
    engine = new_engine(folder, study_of())
    segment = begun(engine)
    for score, save in ((1.0, True), (2.0, False), (3.0, False)):
        report(engine, segment, score, save)
    assert lying(engine) == [1]
    again = begun(new_engine(folder, engine.study))
    assert (again.from_step, again.checkpoint) == (1, str(engine.paths.trial(0) / "checkpoint-0001-1"))


def test_when_all_is_over_the_best_of_the_best_trials_are_left(folder: Path) -> None:
    engine = new_engine(folder, study_of(trials=4, keep=2))
    for scores in ([1.0, 0.5], [3.0, 2.0], [2.0, 2.5], [0.1]):
        segment = begun(engine)
        for score in scores:
            report(engine, segment, score)
        engine.completed(segment)
    assert [lying(engine, trial) for trial in range(4)] == [[], [1], [2], []]


def test_the_best_of_a_live_trial_goes_as_soon_as_it_can_no_longer_win(folder: Path) -> None:
    engine = new_engine(folder, study_of(trials=2))
    one, other = begun(engine), begun(engine)
    for score in (2.0, 1.0):
        report(engine, one, score)
    assert lying(engine, 0) == [1, 2]
    report(engine, other, 5.0)
    assert lying(engine, 0) == [1, 2], "a live trial may yet diverge, and then the other wins"
    engine.completed(other)
    assert lying(engine, 0) == [2]


def test_a_better_trial_that_diverges_leaves_the_checkpoint_of_the_next_best(folder: Path) -> None:
    engine = new_engine(folder, study_of(trials=2))
    one, other = begun(engine), begun(engine)
    for score in (2.0, 1.0):
        report(engine, one, score)
    report(engine, other, 5.0)
    report(engine, other, float("nan"))
    engine.completed(one)
    assert [lying(engine, trial) for trial in range(2)] == [[1], []]


@pytest.mark.parametrize("damage", ["state.json", "model/weights", "manifest.json"])
def test_the_last_whole_one_stays_until_its_successor_is_seen_to_be_whole(folder: Path, damage: str) -> None:
    engine = new_engine(folder, study_of())
    segment = begun(engine)
    report(engine, segment, 1.0)
    report(engine, segment, 2.0, damage=damage)
    assert lying(engine) == [1, 2]
    engine.lost(segment, "the worker process died")
    assert begun(engine).from_step == 1
    assert lying(engine) == [1]


def test_what_a_dead_worker_left_half_written_goes_when_its_trial_goes_on(folder: Path) -> None:
    engine = new_engine(folder, study_of())
    segment = begun(engine)
    report(engine, segment, 1.0)
    (engine.paths.trial(0) / "checkpoint-0002-1.0123.tmp").mkdir()
    engine.lost(segment, "the worker process died")
    begun(engine)
    assert [path.name for path in engine.paths.trial(0).iterdir()] == ["checkpoint-0001-1"]


def test_what_a_late_worker_left_goes_with_the_end_of_its_trial(folder: Path) -> None:
    engine = new_engine(folder, study_of())
    old = begun(engine)
    engine.lost(old, "no report for 60 s")
    new = begun(engine)
    assert report(engine, old, 9.0) is False and lying(engine) == [1]
    report(engine, new, 1.0)
    engine.completed(new)
    assert [path.name for path in engine.paths.trial(0).iterdir()] == ["checkpoint-0001-2"]


def test_a_report_costs_the_same_however_many_there_were(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[Any] = []
    for name in ("size", "discard"):
        monkeypatch.setattr(Folder, name, counting(getattr(Folder, name), looked_at))
    engine = new_engine(folder, study_of(objective={"minimize": "score"}, trials=3))
    costs = []
    for trial in range(3):
        segment = begun(engine)
        for step in range(15):
            looked_at.clear()
            report(engine, segment, 1.0 + step)
            costs.append(len(looked_at))
        if trial < 2:
            engine.completed(segment)
    assert max(costs) <= 3


def counting(function: Callable[..., Any], into: list[Any]) -> Callable[..., Any]:
    def counted(*place: Any) -> Any:
        into.append(place)
        return function(*place)

    return counted


moves = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(["report", "report", "report", "bare", "complete", "fail", "crash"])),
    min_size=1,
    max_size=40,
)


@settings(deadline=None, max_examples=20)
@given(moves, st.lists(st.integers(0, 5), min_size=40, max_size=40), st.integers(1, 2))
def test_whatever_happens_what_may_be_needed_is_there_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[int, str]], scores: list[int], keep: int
) -> None:
    """Of a live trial the latest; the best of each trial that the best ended ones leave a chance; all of them whole."""
    root = tmp_path_factory.mktemp("study")
    engine = new_engine(root, study_of(trials=4, keep=keep))
    segments = [begun(engine) for _ in range(4)]
    for (number, move), score in zip(moves, scores, strict=False):
        if engine.history.trials[number].state.ended:
            continue
        segment = segments[number]
        if move in ("report", "bare"):
            report(engine, segment, float(score), save=move == "report")
        elif move == "complete":
            engine.completed(segment)
        elif move == "fail":
            report(engine, segment, float("nan"))
        else:
            engine = new_engine(root, engine.study)
            while engine.history.waiting:
                segment = begun(engine)
                segments[segment.trial] = segment
        for trial in engine.history.trials:
            assert set(lying(engine, trial.number)) == needed(engine, trial, keep), trial
            for path in engine.paths.trial(trial.number).glob("*"):
                verify(path)
    shutil.rmtree(root)


def needed(engine: Engine, trial: Trial, keep: int) -> set[int]:
    saved = [evaluation for evaluation in trial.evaluations if evaluation.checkpoint]
    regular = [one for one in engine.history.trials if one.state in REGULAR and one.evaluations]
    leaders = sorted(map(place, regular), reverse=True)[:keep]
    if not saved or trial.state is State.DIVERGED:
        return set()
    best = max(saved, key=lambda one: (one.metrics["score"], -one.step))
    if trial.state.ended:
        return {best.step} if place(trial) in leaders else set()
    may_win = len(leaders) < keep or place(trial) > leaders[-1]
    return {saved[-1].step, best.step} if may_win else {saved[-1].step}


def place(trial: Trial) -> tuple[float, int]:
    return max(one.metrics["score"] for one in trial.evaluations), -trial.number


# each file cut at 34 places, and a bit of it flipped at 34 places: 204 in all
DAMAGES = [
    (name, way, part / 34)
    for name in ("state.json", "model/weights", "manifest.json")
    for way in ("cut", "flip")
    for part in range(34)
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "checkpoint-0002-1"
    commit(folder, lambda place: write(place, 2))
    return folder


@pytest.mark.parametrize(("name", "way", "place"), DAMAGES)
def test_every_cut_and_every_flipped_bit_is_detected_and_its_file_is_named(
    tmp_path: Path, whole: Path, name: str, way: str, place: float
) -> None:
    damaged = tmp_path / whole.name
    shutil.copytree(whole, damaged)
    content = bytearray((damaged / name).read_bytes())
    if way == "cut":
        del content[int(place * len(content)) :]
    else:
        bit = int(place * len(content) * 8)
        content[bit // 8] ^= 1 << bit % 8
    (damaged / name).write_bytes(content)
    if name == "manifest.json" and same_meaning(bytes(content), whole):
        return verify(damaged)
    with pytest.raises(CheckpointError) as caught:
        verify(damaged)
    assert str(damaged) in str(caught.value) and "\n" not in str(caught.value)
    if name != "manifest.json":
        assert name in str(caught.value)


def same_meaning(content: bytes, whole: Path) -> bool:
    """A blank that became a tab, or the newline at the end that went."""
    try:
        return bool(json.loads(content) == json.loads((whole / "manifest.json").read_bytes()))
    except ValueError:
        return False


@pytest.mark.parametrize("damage", ["cut", "flip", "gone", "folder gone"])
def test_a_trial_goes_on_from_the_one_before_and_the_log_says_why(
    folder: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    engine = new_engine(folder, study_of(objective={"minimize": "score"}))
    segment = begun(engine)
    for score in (1.0, 2.0, 3.0):  # the first stays the best, and is kept
        report(engine, segment, score)
    newest = engine.paths.trial(0) / "checkpoint-0003-1"
    weights = newest / "model" / "weights"
    if damage == "folder gone":
        shutil.rmtree(newest)
    elif damage == "gone":
        weights.unlink()
    else:
        content = weights.read_bytes()
        weights.write_bytes(content[:-1] if damage == "cut" else bytes([content[0] ^ 1]) + content[1:])
    with caplog.at_level(logging.WARNING):
        again = begun(new_engine(folder, engine.study))
    assert (again.from_step, again.checkpoint) == (1, str(engine.paths.trial(0) / "checkpoint-0001-1"))
    file = "manifest.json" if damage == "folder gone" else "model/weights"
    assert any(file in message and str(newest) in message for message in caplog.messages)


def test_where_none_is_whole_the_trial_begins_anew(folder: Path) -> None:
    engine = new_engine(folder, study_of())
    after_reports(engine, 3).close()
    shutil.rmtree(engine.paths.trials)
    again = begun(new_engine(folder, engine.study))
    assert (again.from_step, again.checkpoint, again.attempt) == (0, None, 2)


KILLED = """\
import os, sys
from contextlib import suppress
from pathlib import Path
from hpo.executors.in_process import execute
from tests.hpo.test_engine import new_engine, toy_study
study = toy_study(search={"trials": 3, "scheduler": "fifo", "searcher": "random"}, config={"max_epochs": 3},
                  objective={"minimize": "score"})
for index in range(1, 100):
    child = os.fork()
    if child == 0:
        for _ in range(100 - index):
            with suppress(OSError):
                IDLE
        engine = new_engine(Path(sys.argv[1]) / str(index), study)
        execute(engine)
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
        break
print(index)
"""
IDLE = {"unlinkat": "os.unlink('none', dir_fd=0)", "rename": "os.rename('/none', '/neither')"}


@pytest.mark.hard
@pytest.mark.parametrize("call", ["unlinkat", "rename"])
def test_a_kill_at_any_deletion_leaves_all_that_the_ledger_needs(tmp_path: Path, call: str) -> None:
    """strace counts for each process anew, so the i-th child first makes 100 - i calls that do no harm."""
    if shutil.which("strace") is None:
        pytest.skip("needs strace (apt-get install strace)")
    inject = ["strace", "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when=100"]
    script = KILLED.replace("IDLE", IDLE[call])
    done = subprocess.run(
        [*inject, sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    last = int(done.stdout)
    assert last > 10
    for index in range(1, last):
        check_after_kill(tmp_path / str(index))


def check_after_kill(folder: Path) -> None:
    study = study_of(trials=3, config={"max_epochs": 3}, objective={"minimize": "score"})
    engine = new_engine(folder, study)
    for trial in engine.history.trials:
        assert set(lying(engine, trial.number)) == needed_to_minimize(engine, trial)
        for path in engine.paths.trial(trial.number).glob("*"):
            verify(path)
    while engine.history.waiting or len(engine.history.trials) < 3:
        before = len(engine.history.trials)
        segment = begun(engine)
        if segment.trial < before:
            trial = engine.history.trials[segment.trial]
            assert segment.from_step == len(trial.evaluations), "nothing that was acknowledged is trained again"
        engine.completed(segment)


def needed_to_minimize(engine: Engine, trial: Trial) -> set[int]:
    """The toy's score rises, so that the first report of each trial is its best."""
    if not trial.evaluations:
        return set()
    winner = engine.history.winner(engine.study.objective)
    if trial.state.ended:
        return {1} if winner is trial else set()
    assert trial.state is State.WAITING
    may_win = winner is None or (trial.value(engine.study.objective) or 0) < (winner.value(engine.study.objective) or 0)
    return {1, trial.evaluations[-1].step} if may_win else {trial.evaluations[-1].step}

"""What a trainable may report: every number is taken, anything odd fails its trial in one line and nothing else."""

import math
from pathlib import Path
from typing import Any

import pytest

from hpo.engine import Engine
from hpo.history import State
from hpo.segment import Reported
from tests.hpo.odd_reports import BAD, GOOD
from tests.hpo.test_engine import new_engine, run, toy_study


def study_of(report: str, **changes: Any) -> Any:
    return toy_study(
        **{
            "trainable": "tests.hpo.odd_reports:epochs",
            "config": {"report": report},
            "search_space": {},
            "search": {"trials": 1, "scheduler": "fifo", "searcher": "random"},
            **changes,
        }
    )


@pytest.mark.parametrize("name", BAD)
def test_an_odd_report_fails_its_trial_in_one_line(folder: Path, name: str) -> None:
    _, words = BAD[name]
    [trial] = run(new_engine(folder, study_of(name))).history.trials
    assert trial.state is State.FAILED
    assert words in trial.reason and "\n" not in trial.reason and len(trial.reason) <= 500


@pytest.mark.parametrize("name", GOOD)
def test_a_number_of_any_kind_is_a_plain_number(folder: Path, name: str) -> None:
    _, value = GOOD[name]
    [trial] = run(new_engine(folder, study_of(name))).history.trials
    assert trial.state is State.COMPLETE
    assert trial.evaluations[0].metrics == {"score": value} and type(trial.evaluations[0].metrics["score"]) is float


def test_a_trainable_that_is_no_generator_is_told_so(folder: Path) -> None:
    study = study_of("float", trainable="tests.hpo.odd_reports:listed")
    [trial] = run(new_engine(folder, study)).history.trials
    assert trial.reason.startswith(
        "TypeError: a trainable must be a generator, which yields a Report at a time, got list"
    )


def test_one_odd_report_does_not_end_the_study(folder: Path) -> None:
    space = {"report": {"choice": ["text", "float"]}}
    search = {"trials": 8, "scheduler": "fifo", "searcher": "random"}
    engine = run(new_engine(folder, study_of("float", config={}, search_space=space, search=search)))
    expected = {"text": State.FAILED, "float": State.COMPLETE}
    assert [trial.state for trial in engine.history.trials] == [
        expected[str(trial.params["report"])] for trial in engine.history.trials
    ]
    assert {trial.state for trial in engine.history.trials} == set(expected.values())


# each in the direction in which it would win
WRONG = [(math.nan, "maximize"), (math.inf, "maximize"), (-math.inf, "minimize")]
STEPS = 9


@pytest.mark.parametrize("scheduler", ["asha", "fifo"])
@pytest.mark.parametrize("searcher", ["random", "tpe"])
@pytest.mark.parametrize(("wrong", "direction"), WRONG)
def test_a_value_that_is_no_number_ends_its_trial_at_whatever_step_it_comes(
    folder: Path, wrong: float, direction: str, searcher: str, scheduler: str
) -> None:
    """Trial 0 never, trial 1 at its first report, trial 2 at its second."""
    search = {"searcher": searcher, "scheduler": scheduler, "trials": STEPS + 1, "seed": 1}
    study = toy_study(objective={direction: "score"}, search=search)
    engine = new_engine(folder, study)
    for number in range(STEPS + 1):
        # each better than the one before, so that asha lets it reach that report
        report(
            engine,
            [
                wrong if step == number else (number if direction == "maximize" else -number)
                for step in range(1, STEPS + 1)
            ],
        )
    engine.finish()
    first, *others = engine.history.trials
    assert engine.history.finished and first.state is State.COMPLETE
    assert [(trial.state, trial.reason, len(trial.evaluations)) for trial in others] == [
        (State.DIVERGED, f"score is {wrong} at epoch {step}", step) for step in range(1, STEPS + 1)
    ]
    assert engine.history.winner(study.objective) is first


def report(engine: Engine, values: list[float]) -> None:
    segment = engine.next_segment()
    assert segment is not None
    for step, value in enumerate(values, start=1):
        said = Reported(step=step, epoch=step, metrics={"score": value}, seconds=1.0, checkpoint=None, diverged=None)
        if not engine.reported(segment, said):
            return
    engine.completed(segment)


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_a_diverged_trial_is_the_worst_to_the_searcher(folder: Path, direction: str) -> None:
    """Trials with x > 0 score best of all and then diverge: a searcher that took their best would go there."""
    sign = 1 if direction == "maximize" else -1
    study = toy_study(
        objective={direction: "score"},
        search={"searcher": "tpe", "scheduler": "fifo", "trials": 40, "seed": 3},
        search_space={"x": {"uniform": [-5.0, 5.0]}},
    )
    engine = new_engine(folder, study)
    for _ in range(40):
        x = float(engine.searcher.propose(engine.history)["x"])
        report(engine, [sign * 100.0, math.nan] if x > 0 else [-sign * (x + 3) ** 2])
    later = [float(trial.params["x"]) for trial in engine.history.trials[20:]]  # type: ignore[arg-type]
    assert sum(x > 0 for x in later) < len(later) / 4
    winner = engine.history.winner(study.objective)
    assert winner is not None and float(winner.params["x"]) <= 0  # type: ignore[arg-type]

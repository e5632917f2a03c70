"""Every decision can be read, and comes out again from the scores alone."""

from dataclasses import replace
from pathlib import Path

import pytest

from hpo.errors import UsageError
from hpo.history import State
from hpo.replay import replayed
from hpo.why import explain
from tests.hpo.test_engine import new_engine, run, toy_study


@pytest.mark.parametrize("scheduler", ["asha", "promoting_asha", "hyperband", "median", "fifo"])
@pytest.mark.parametrize("searcher", ["tpe", "bohb"])
def test_a_study_taken_anew_comes_out_as_it_did(folder: Path, searcher: str, scheduler: str) -> None:
    search = {"searcher": searcher, "scheduler": scheduler, "trials": 12}
    engine = run(new_engine(folder, toy_study(search=search)))
    found = replayed(engine.ledger.events(), engine.study.build_searcher(), engine.study.build_scheduler())
    assert found.differences == []
    assert found.proposals == len(engine.history.trials) and (found.decisions > 12 or scheduler == "fifo")


def test_a_score_that_was_changed_afterwards_shows(folder: Path) -> None:
    engine = run(new_engine(folder, toy_study()))
    events = engine.ledger.events()
    first = next(number for number, event in enumerate(events) if event.kind == "reported")
    events[first] = replace(events[first], payload={**events[first].payload, "metrics": {"score": 99.0}})
    found = replayed(events, engine.study.build_searcher(), engine.study.build_scheduler())
    assert any(one.what == "decision" for one in found.differences)
    assert list(found.lines("toy"))[-1].endswith("come out otherwise")


def test_a_stop_is_told_with_its_score_its_cutoff_and_the_trials_behind_it(folder: Path) -> None:
    engine = run(new_engine(folder, toy_study()))
    stopped = next(trial for trial in engine.history.trials if trial.state is State.PRUNED)
    steps = explain(engine.ledger.events(), "toy", stopped.number)
    assert steps[0].words.startswith(f"trial {stopped.number:03d}: proposed by tpe: x=")
    decision = next(step for step in reversed(steps) if step.kind == "decided")
    assert "below the cutoff" in decision.words and {"rung", "score", "cutoff", "trials"} <= decision.inputs.keys()
    assert [step.words for step in steps[-2:]] == [stopped.reason, "PRUNED"], "and told once"


def test_a_trial_that_is_not_there_is_named(folder: Path) -> None:
    engine = run(new_engine(folder, toy_study(search={"trials": 2})))
    with pytest.raises(UsageError, match="study toy has 2 trials, there is no trial 7"):
        explain(engine.ledger.events(), "toy", 7)

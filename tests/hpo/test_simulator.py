"""The simulator against the engine: the same study, once trained and once played."""

from pathlib import Path
from typing import Any

import pytest

from hpo.engine import Engine
from hpo.event import Event
from hpo.history import State
from hpo.ledger import Ledger
from hpo.schedulers import SCHEDULERS
from hpo.simulator.simulation import Epoch, Simulation
from hpo.study import Study
from tests.hpo.test_engine import new_engine, run

# of the real study alone: what a worker measures, and where it runs
ONLY_REAL = {"seconds", "cpus", "gpus", "searcher", "metrics", "checkpoint"}


def trained(folder: Path, scheduler: str | dict[str, Any], trials: int = 20) -> Engine:
    spec = {
        "study": "toy",
        "trainable": "tests.toy:epochs",
        "objective": {"maximize": "score"},
        "config": {"max_epochs": 9},
        "search_space": {"x": {"uniform": [-5.0, 5.0]}, "y": {"uniform": [-1.0, 1.0]}},
        "search": {"searcher": "random", "scheduler": scheduler, "trials": trials, "control_share": 0.2},
    }
    if scheduler == "pbt":
        spec["search"] |= {"trials": 6, "control_share": 0.0}  # type: ignore[operator]
    return run(new_engine(folder, Study.model_validate(spec)))


def played(study: Study) -> list[Event]:
    simulation = Simulation(
        searcher=study.build_searcher(),
        scheduler=study.build_scheduler(),
        objective=study.objective,
        curve=lambda params, epoch: Epoch({"score": -((params["x"] - 3) ** 2) - params["y"] ** 2 - 1 / epoch}),  # type: ignore[operator]
        max_epochs=9,
        workers=1,
    )
    return list(simulation.run())


def compared(event: Event) -> tuple[object, ...]:
    payload = {key: value for key, value in event.payload.items() if key not in ONLY_REAL and value is not None}
    return event.kind, event.trial, event.attempt, event.step, payload


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_the_simulator_writes_the_events_that_the_engine_writes(folder: Path, scheduler: str) -> None:
    engine = trained(folder, scheduler)
    real = [event for event in Ledger(engine.paths.ledger).events() if event.kind not in ("study", "opened")]
    for said, expected in zip(played(engine.study), real, strict=True):
        assert compared(said) == compared(expected)


@pytest.mark.parametrize("scheduler", sorted(name for name, cls in SCHEDULERS.items() if cls.needs_checkpoints))
def test_a_trial_that_waited_goes_on_from_its_checkpoint(folder: Path, scheduler: str) -> None:
    """Each epoch of a trial is trained once, and a child's first is the one after its parent's."""
    engine = trained(folder, scheduler)
    for trial in engine.history.trials:
        assert [evaluation.epoch for evaluation in trial.evaluations] == [
            trial.from_epoch + number for number in range(1, len(trial.evaluations) + 1)
        ]
    assert any(trial.attempt > 1 for trial in engine.history.trials)
    assert all(trial.state.ended for trial in engine.history.trials)


def test_children_are_trained_on_and_their_parents_checkpoints_are_forgotten_in_time(folder: Path) -> None:
    engine = trained(folder, "pbt")
    assert any(trial.parent for trial in engine.history.trials)
    assert sum(trial.state is State.COMPLETE for trial in engine.history.trials) == 6
    kept = list(engine.paths.trials.glob("*/checkpoint-*"))
    assert len(kept) == 1, "of a study that has ended only the winner's checkpoint is left"

"""Engines over the toy trainable, in this process: what the tests of the engine share."""

from pathlib import Path

from hpo.engine import Engine
from hpo.executors.in_process import execute
from hpo.ledger import Ledger
from hpo.paths import StudyPaths
from hpo.segment import Failed, Reported, Segment
from hpo.stopping import Stop
from hpo.study import Study
from hpo.trainable import resolve
from hpo.warm_start import take_over

assert resolve("tests.toy:epochs")


def toy_study(**changes: object) -> Study:
    spec: dict[str, object] = {
        "study": "toy",
        "trainable": "tests.toy:epochs",
        "objective": {"maximize": "score"},
        "config": {"max_epochs": 9},
        "search_space": {"x": {"uniform": [-5.0, 5.0]}, "y": {"uniform": [-1.0, 1.0]}},
        "search": {"searcher": "tpe", "scheduler": "asha", "trials": 12},
    }
    return Study.model_validate({**spec, **changes})


def new_engine(folder: Path, study: Study, stop: Stop | None = None) -> Engine:
    paths = StudyPaths(folder / "studies" / study.study)
    paths.root.mkdir(parents=True, exist_ok=True)
    create = not paths.ledger.exists()
    ledger = Ledger(paths.ledger, create=create)
    if create:
        spec, taken = study.model_dump(exclude_unset=True), take_over(study)
        ledger.append("study", study_id="0" * 32, spec=spec, data={}, environment={}, text="", warm_start=taken)
    return Engine(study, paths, ledger, tell=lambda event: None, stop=stop)


def run(engine: Engine) -> Engine:
    execute(engine)
    return engine


def segment_of(engine: Engine) -> Segment:
    segment = engine.next_segment()
    assert segment is not None
    return segment


def report(step: int, score: float = -1.0, seconds: float = 1.0) -> Reported:
    return Reported(
        step=step, epoch=float(step), metrics={"score": score}, seconds=seconds, checkpoint=None, diverged=None
    )


def failure(error: str = "RuntimeError: broken") -> Failed:
    return Failed(error=error, details="")

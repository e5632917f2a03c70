"""What a trial or a report costs the driver does not grow with the study: counted in lines of Python."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from hpo.engine import Engine
from hpo.segment import Reported, Segment
from tests.counted_lines import Lines
from tests.hpo.engines import new_engine, toy_study

FEW, MANY, SPAN = 40, 300, 20  # where it is counted, and over how many
MOST = 1.25  # times as much; a scan over all that is there would be 7


def growth(turns: Iterator[None]) -> float:
    """How often more lines a turn takes after MANY than after FEW."""
    counts = {FEW: Lines(), MANY: Lines()}
    done = 0
    for size, lines in counts.items():
        for _ in range(size - done):
            next(turns)
        with lines.counting():
            for _ in range(SPAN):
                next(turns)
        done = size + SPAN
    return counts[MANY].count / counts[FEW].count


def reported(segment: Segment, engine: Engine, step: int, score: float) -> bool:
    metrics = {"score": score, "loss": 1 - score}
    said = Reported(step=step, epoch=float(step), metrics=metrics, seconds=1.0, checkpoint=None, diverged=None)
    return engine.reported(segment, said)


def trials(engine: Engine) -> Iterator[None]:
    """The same score at the same step of each, so that all rungs fill up alike and only the size differs."""
    while segment := engine.next_segment():
        random = Random(segment.trial % 20)
        for step in range(segment.from_step + 1, 4):
            if not reported(segment, engine, step, random.random()):
                break
        else:
            engine.completed(segment)
        yield


def reports(engine: Engine) -> Iterator[None]:
    segment = engine.next_segment()
    assert segment is not None
    for step in range(1, 10_000):
        assert reported(segment, engine, step, 0.5)
        yield


@pytest.mark.parametrize("scheduler", ["asha", "median"])
def test_the_three_hundredth_trial_costs_the_driver_what_the_fortieth_did(tmp_path: Path, scheduler: str) -> None:
    search = {"searcher": "random", "scheduler": scheduler, "trials": 1_000}
    engine = new_engine(tmp_path, toy_study(search=search, config={"max_epochs": 3}))
    with closing(engine.ledger):
        assert growth(trials(engine)) < MOST


@pytest.mark.parametrize("loss", ["loss", None], ids=["watched for divergence", "not watched"])
def test_the_three_hundredth_report_of_a_trial_costs_what_the_fortieth_did(tmp_path: Path, loss: str | None) -> None:
    search = {"searcher": "random", "scheduler": "fifo", "trials": 1}
    engine = new_engine(tmp_path, toy_study(search=search, divergence={"metric": loss} if loss else {}))
    with closing(engine.ledger):
        assert growth(reports(engine)) < MOST

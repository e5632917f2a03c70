"""What comes too late, twice, or is cut in two by a crash changes nothing in the ledger."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hpo.engine import Engine
from hpo.segment import Failed, Reported, Segment
from hpo.worker import run_segment
from tests.hpo.test_engine import new_engine, toy_study


class Killed(BaseException):
    """The driver is gone."""


@pytest.fixture
def engine(folder: Path) -> Iterator[Engine]:
    made = new_engine(folder, toy_study(search={"searcher": "random", "scheduler": "fifo", "trials": 3}))
    yield made
    made.ledger.close()


@pytest.fixture
def running(engine: Engine) -> tuple[Segment, Reported]:
    """A segment whose first report is acknowledged, and that report."""
    segment = engine.next_segment()
    assert segment
    words = run_segment(segment)
    said = next(words)
    words.close()
    assert isinstance(said, Reported) and engine.reported(segment, said)
    return segment, said


def kinds(engine: Engine) -> list[str]:
    return [event.kind for event in engine.ledger.events()]


def killed_at(engine: Engine, row: int) -> Callable[..., Any]:
    """An `append` that is killed at the second, third ... row from now."""
    append, left = engine.ledger.append, iter(range(row - 1))

    def cut(*arguments: Any, **columns: Any) -> Any:
        if next(left, None) is None:
            raise Killed
        return append(*arguments, **columns)

    return cut


def test_a_report_that_is_said_twice_is_kept_once(engine: Engine, running: tuple[Segment, Reported]) -> None:
    before = kinds(engine)
    assert engine.reported(*running), "its worker may go on, as it was told before"
    assert kinds(engine) == before


def test_word_of_a_trial_that_is_over_changes_nothing(engine: Engine, running: tuple[Segment, Reported]) -> None:
    segment, said = running
    engine.completed(segment)
    before = kinds(engine)
    later = Reported(**{**vars(said), "step": said.step + 1})
    assert not engine.reported(segment, later)
    engine.completed(segment)
    engine.failed(segment, Failed(error="ValueError", details=""))
    engine.lost(segment, "gone")
    assert kinds(engine) == before


def test_a_trial_is_asked_and_started_in_one_commit(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    before = kinds(engine)
    monkeypatch.setattr(engine.ledger, "append", killed_at(engine, row=2))
    with pytest.raises(Killed):
        engine.next_segment()
    assert kinds(engine) == before


def test_a_report_and_what_it_means_are_one_commit(
    engine: Engine, running: tuple[Segment, Reported], monkeypatch: pytest.MonkeyPatch
) -> None:
    segment, said = running
    before = kinds(engine)
    hopeless = Reported(**{**vars(said), "step": said.step + 1, "diverged": "loss is nan"})
    monkeypatch.setattr(engine.ledger, "append", killed_at(engine, row=2))
    with pytest.raises(Killed):
        engine.reported(segment, hopeless)
    assert kinds(engine) == before

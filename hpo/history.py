"""What has happened in a study so far: a fold of its ledger, and all that searchers and schedulers ever see."""

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from hpo.ledger import Event
from hpo.objective import Objective
from hpo.space import Value


class State(StrEnum):
    WAITING = "WAITING"  # to be started, or to be gone on with after its worker or the driver was lost
    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"  # stopped by the scheduler
    DIVERGED = "DIVERGED"  # a metric or the loss became nan or infinite
    FAILED = "FAILED"

    @property
    def ended(self) -> bool:
        return self not in (State.WAITING, State.RUNNING)


@dataclass(frozen=True)
class Evaluation:
    """One acknowledged report of a trial."""

    step: int  # 1, 2, 3 ... within its trial
    epoch: float  # the budget used up to here
    metrics: dict[str, float]
    seconds: float  # of training and evaluation since the report before
    checkpoint: str | None  # folder inside the trial's; its files may have been deleted since
    diverged: str | None  # why the trainable says that the run is beyond hope
    time: float  # seconds since 1970, when it was acknowledged


@dataclass
class Trial:
    """One configuration and what became of it."""

    number: int
    params: dict[str, Value]
    asked: float
    state: State = State.WAITING
    attempt: int = 0  # of starts so far; the fencing token of the last one
    losses: int = 0  # workers lost under it
    decision: dict[str, Any] = field(default_factory=dict)  # the scheduler's last, with the step it was taken at
    evaluations: list[Evaluation] = field(default_factory=list)
    reason: str = ""  # why it ended
    ended: float | None = None

    def best(self, objective: Objective) -> Evaluation | None:
        """The evaluation with the best finite objective; the earliest of equals."""
        finite = [e for e in self.evaluations if math.isfinite(e.metrics.get(objective.metric, math.nan))]
        return max(finite, key=lambda e: (objective.sign * e.metrics[objective.metric], -e.step), default=None)

    def value(self, objective: Objective) -> float | None:
        best = self.best(objective)
        return best.metrics[objective.metric] if best else None

    @property
    def seconds(self) -> float:
        return sum(evaluation.seconds for evaluation in self.evaluations)


@dataclass
class History:
    """The study's record and its trials, in the order in which they were asked."""

    record: dict[str, Any] = field(default_factory=dict)
    trials: list[Trial] = field(default_factory=list)
    finished: str = ""  # why the study ended; empty while it goes on
    test_openings: int = 0

    def apply(self, event: Event) -> None:
        APPLY[event.kind](self, event)

    def winner(self, objective: Objective) -> Trial | None:
        """The best trial that came to a regular end, never a diverged or failed one; ties go to the earlier."""
        regular = [
            t for t in self.trials if t.state in (State.COMPLETE, State.PRUNED) and t.value(objective) is not None
        ]
        return max(regular, key=lambda t: (objective.sign * (t.value(objective) or 0.0), -t.number), default=None)


def fold(events: list[Event]) -> History:
    history = History()
    for event in events:
        history.apply(event)
    return history


def _study(history: History, event: Event) -> None:
    history.record = event.payload


def _asked(history: History, event: Event) -> None:
    history.trials.append(Trial(number=len(history.trials), params=event.payload["params"], asked=event.time))


def _started(history: History, event: Event) -> None:
    trial = history.trials[_number(event)]
    trial.state, trial.attempt = State.RUNNING, event.attempt or 0
    # what an earlier attempt reported after the checkpoint that this one starts from is reported again
    del trial.evaluations[event.payload["from_step"] :]


def _reported(history: History, event: Event) -> None:
    payload = event.payload
    history.trials[_number(event)].evaluations.append(
        Evaluation(
            step=event.step or 0,
            epoch=payload["epoch"],
            metrics={name: float(value) for name, value in payload["metrics"].items()},  # "nan" and "inf" are strings
            seconds=payload["seconds"],
            checkpoint=payload["checkpoint"],
            diverged=payload["diverged"],
            time=event.time,
        )
    )


def _decided(history: History, event: Event) -> None:
    """A decision changes nothing by itself; `ended` follows."""
    history.trials[_number(event)].decision = {**event.payload, "step": event.step}


def _lost(history: History, event: Event) -> None:
    trial = history.trials[_number(event)]
    trial.state = State.WAITING
    trial.losses += event.payload["counts"]


def _ended(history: History, event: Event) -> None:
    trial = history.trials[_number(event)]
    trial.state, trial.reason, trial.ended = State(event.payload["state"]), event.payload["reason"], event.time


def _finished(history: History, event: Event) -> None:
    history.finished = event.payload["reason"]


def _test_opened(history: History, event: Event) -> None:
    history.test_openings += 1


def _promoted(history: History, event: Event) -> None:
    """Stands in the ledger for the record; the registry holds what is champion."""


APPLY = {
    "study": _study,
    "asked": _asked,
    "started": _started,
    "reported": _reported,
    "decided": _decided,
    "lost": _lost,
    "ended": _ended,
    "finished": _finished,
    "test_opened": _test_opened,
    "promoted": _promoted,
}


def _number(event: Event) -> int:
    assert event.trial is not None, event
    return event.trial

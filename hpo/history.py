"""What has happened in a study so far: a fold of its ledger, and all that searchers and schedulers ever see.

What is asked after every event (the best report, the winner, who waits) is kept as the events come, so that an event
costs the same in a study of ten trials and of ten thousand.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from hpo.domains import Value
from hpo.errors import DiskError
from hpo.event import REPEATS, Event
from hpo.objective import Objective
from hpo.pareto import Point, nondominated


class State(StrEnum):
    WAITING = "WAITING"  # to be started, or to be gone on with after its worker or the driver was lost
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"  # at a rung, until the scheduler promotes or ends it
    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"  # stopped by the scheduler
    DIVERGED = "DIVERGED"  # a metric or the loss became nan or infinite
    FAILED = "FAILED"

    @property
    def ended(self) -> bool:
        return self not in (State.WAITING, State.RUNNING, State.PAUSED)


REGULAR = (State.COMPLETE, State.PRUNED)
SEED = "seed"  # the field of a trainable's config that repeats of a trial differ in


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
    bracket: int = 0  # of the scheduler
    source: str = ""  # of its proposal, where it was not the searcher itself; see hpo/searchers/searcher.py
    parent: tuple[int, int] | None = None  # (trial, step) of the checkpoint that it began from
    from_epoch: float = 0.0  # of that checkpoint
    confirms: int | None = None  # the trial whose parameters it repeats; such a run is none of the search's
    seed: int | None = None  # that it repeats them with
    state: State = State.WAITING
    attempt: int = 0  # of starts so far; the fencing token of the last one
    losses: int = 0  # workers lost under it, and errors raised
    error: tuple[str, int] | None = None  # the last that was raised, and the step that it came after
    decision: dict[str, Any] = field(default_factory=dict)  # the scheduler's last, with the step it was taken at
    evaluations: list[Evaluation] = field(default_factory=list)
    reason: str = ""  # why it ended
    ended: float | None = None
    _best: dict[tuple[str, int], tuple[int, Evaluation | None]] = field(default_factory=dict, repr=False, compare=False)

    def best(self, objective: Objective) -> Evaluation | None:
        """The evaluation with the best finite objective; the earliest of equals."""
        aim = metric, sign = objective.metric, objective.sign  # the objective itself takes long to hash
        seen, best = self._best.get(aim, (0, None))
        if seen == len(self.evaluations):
            return best
        for evaluation in self.evaluations[seen:]:
            value = sign * evaluation.metrics.get(metric, math.nan)
            if math.isfinite(value) and (best is None or value > sign * best.metrics[metric]):
                best = evaluation
        self._best[aim] = len(self.evaluations), best
        return best

    def forget_after(self, step: int) -> None:
        del self.evaluations[step:]
        self._best.clear()

    @property
    def last_step(self) -> int:
        """Of the last acknowledged report; 0 before the first."""
        return self.evaluations[-1].step if self.evaluations else 0

    def value(self, objective: Objective) -> float | None:
        best = self.best(objective)
        return best.metrics[objective.metric] if best else None

    def values(self, objectives: Sequence[Objective]) -> Point | None:
        """In all objectives, at one report: the best in the first of them. So one checkpoint has them all."""
        best = self.best(objectives[0])
        found = tuple(best.metrics.get(one.metric, math.nan) for one in objectives) if best else ()
        return found if found and all(map(math.isfinite, found)) else None

    def worth(self, objectives: Sequence[Objective]) -> Point | None:
        """The same, larger being better in each."""
        values = self.values(objectives)
        return values and tuple(one.sign * value for one, value in zip(objectives, values, strict=True))

    @property
    def epochs(self) -> float:
        """The budget used, that of its parents included."""
        return self.evaluations[-1].epoch if self.evaluations else self.from_epoch

    @property
    def settings(self) -> dict[str, Value]:
        """What is laid over the study's fixed settings."""
        return self.params if self.seed is None else {**self.params, SEED: self.seed}

    @property
    def seconds(self) -> float:
        return sum(evaluation.seconds for evaluation in self.evaluations)


@dataclass
class History:
    """The study's record and its trials, in the order in which they were asked.

    A repeat of a trial with another seed is a run like any other, but stands apart: the search does not see it.
    """

    record: dict[str, Any] = field(default_factory=dict)
    trials: list[Trial] = field(default_factory=list)
    repeats: list[Trial] = field(default_factory=list)  # numbered from REPEATS on
    waiting: set[int] = field(default_factory=set)  # numbers of the runs that a worker may take up
    running: set[int] = field(default_factory=set)
    paused: set[int] = field(default_factory=set)
    ended: list[Trial] = field(default_factory=list)  # trials, in the order in which they ended
    failures: Counter[str] = field(default_factory=Counter)  # failed trials by reason
    measured: dict[str, Any] = field(default_factory=dict)  # what trials take; see hpo/packing.py
    enough: str = ""  # why no further trial is begun, where the search was given up by choice
    searched: str = ""  # why the search ended, of a study that goes on to confirm
    finalists: list[int] = field(default_factory=list)  # trials to be confirmed, the best search score first
    seeds: list[int] = field(default_factory=list)  # that each of them is trained with
    finished: str = ""  # why the study ended; empty while it goes on
    test_openings: int = 0
    storage: str | None = None  # where its checkpoints lie while it goes on, if not in its folder
    _winner: dict[Objective, tuple[int, Trial | None]] = field(default_factory=dict, repr=False, compare=False)
    _front: dict[tuple[Objective, ...], tuple[int, list[Trial]]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def apply(self, event: Event) -> None:
        APPLY[event.kind](self, event)

    @property
    def runs(self) -> list[Trial]:
        """The trials and all repeats of them."""
        return self.trials + self.repeats

    def run(self, number: int) -> Trial:
        return self.trials[number] if number < REPEATS else self.repeats[number - REPEATS]

    @property
    def past(self) -> dict[str, list[dict[str, Value]]]:
        """Configurations of the earlier studies that this one began with, best first; see hpo/warm_start.py."""
        return {one["study"]: [trial["params"] for trial in one["trials"]] for one in self.record.get("warm_start", [])}

    def winner(self, objective: Objective) -> Trial | None:
        """Of the search: the best trial that came to a regular end, never a diverged or failed one.

        Ties go to the earlier. Where a study confirms, hpo.confirmation knows which trial is chosen in the end.
        """
        seen, winner = self._winner.get(objective, (0, None))
        candidates = [winner] if winner else []
        candidates += [t for t in self.ended[seen:] if t.state in REGULAR and t.value(objective) is not None]
        winner = max(candidates, key=lambda t: (objective.sign * (t.value(objective) or 0.0), -t.number), default=None)
        self._winner[objective] = len(self.ended), winner
        return winner

    def front(self, objectives: Sequence[Objective]) -> list[Trial]:
        """Trials with a regular end that no other is better than in all objectives; the best in the first one first."""
        seen, front = self._front.get(tuple(objectives), (0, []))
        if seen < len(self.ended):
            found = [*front, *(trial for trial in self.ended[seen:] if trial.state in REGULAR)]
            there = [(trial, worth) for trial in found if (worth := trial.worth(objectives)) is not None]
            there.sort(key=lambda one: one[0].number)  # of equals the earlier comes first
            front = [there[index][0] for index in nondominated([worth for _, worth in there])]
            self._front[tuple(objectives)] = len(self.ended), front
        return front


def fold(events: list[Event]) -> History:
    """DiskError on an event that does not fit those before it: some are lost, or are no longer what was written."""
    history = History()
    for event in events:
        try:
            history.apply(event)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise DiskError(
                f"the ledger is damaged: event {event.seq}, {event.kind!r}, does not fit what is before it "
                f"({type(error).__name__}: {error}); `hpo doctor` says what can be saved"
            ) from None
    return history


def _study(history: History, event: Event) -> None:
    history.record = event.payload


def _changed(history: History, event: Event) -> None:
    """The study goes on with other settings, code or data; also one that was stopped before all its trials ended."""
    history.record = {**history.record, **event.payload}
    history.finished = history.searched = history.enough = ""
    history.finalists, history.seeds = [], []
    history.measured = {}


def _opened(history: History, event: Event) -> None:
    """A driver begins, or takes over from one that ended; hpo.account counts the time from here."""
    history.storage = event.payload.get("storage")


def _measured(history: History, event: Event) -> None:
    history.measured = event.payload


def _asked(history: History, event: Event) -> None:
    payload = event.payload
    repeat = payload.get("confirms") is not None
    trial = Trial(
        number=REPEATS + len(history.repeats) if repeat else len(history.trials),
        params=payload["params"],
        asked=event.time,
        bracket=payload.get("bracket", 0),
        confirms=payload.get("confirms"),
        seed=payload.get("seed"),
        source=payload.get("source", ""),
    )
    if payload.get("parent"):
        parent, step = trial.parent = tuple(payload["parent"])
        trial.from_epoch = history.trials[parent].evaluations[step - 1].epoch
    (history.repeats if repeat else history.trials).append(trial)
    history.waiting.add(trial.number)


def _started(history: History, event: Event) -> None:
    trial = history.run(_number(event))
    trial.state, trial.attempt = State.RUNNING, event.attempt or 0
    history.waiting.discard(trial.number)
    history.running.add(trial.number)
    # what an earlier attempt reported after the checkpoint that this one starts from is reported again
    trial.forget_after(event.payload["from_step"])


def _reported(history: History, event: Event) -> None:
    payload = event.payload
    history.run(_number(event)).evaluations.append(
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
    history.run(_number(event)).decision = {**event.payload, "step": event.step}


def _paused(history: History, event: Event) -> None:
    trial = history.run(_number(event))
    trial.state = State.PAUSED
    history.running.discard(trial.number)
    history.paused.add(trial.number)


def _continued(history: History, event: Event) -> None:
    """A promotion: a worker may take the trial up."""
    trial = history.run(_number(event))
    trial.state = State.WAITING
    history.paused.discard(trial.number)
    history.waiting.add(trial.number)


def _lost(history: History, event: Event) -> None:
    trial = history.run(_number(event))
    trial.state = State.WAITING
    trial.losses += event.payload["counts"]
    history.running.discard(trial.number)
    history.waiting.add(trial.number)


def _raised(history: History, event: Event) -> None:
    _lost(history, event)
    history.run(_number(event)).error = event.payload["reason"], event.step or 0


def _ended(history: History, event: Event) -> None:
    trial = history.run(_number(event))
    trial.state, trial.reason, trial.ended = State(event.payload["state"]), event.payload["reason"], event.time
    history.running.discard(trial.number)
    history.waiting.discard(trial.number)
    history.paused.discard(trial.number)
    if trial.confirms is not None:
        return
    history.ended.append(trial)
    if trial.state is State.FAILED:
        history.failures[trial.reason] += 1


def _enough(history: History, event: Event) -> None:
    history.enough = event.payload["reason"]


def _searched(history: History, event: Event) -> None:
    history.searched = event.payload["reason"]
    history.finalists, history.seeds = event.payload["finalists"], event.payload["seeds"]


def _finished(history: History, event: Event) -> None:
    history.finished = event.payload["reason"]


def _test_opened(history: History, event: Event) -> None:
    history.test_openings += 1


def _recorded(history: History, event: Event) -> None:
    """Stands in the ledger for the record: what was judged of the winner; the registry holds what is champion."""


APPLY = {
    "study": _study,
    "changed": _changed,
    "opened": _opened,
    "measured": _measured,
    "asked": _asked,
    "started": _started,
    "reported": _reported,
    "decided": _decided,
    "paused": _paused,
    "continued": _continued,
    "lost": _lost,
    "raised": _raised,
    "ended": _ended,
    "enough": _enough,
    "searched": _searched,
    "finished": _finished,
    "test_opened": _test_opened,
    "champion_tested": _recorded,
    "judged": _recorded,
    "promoted": _recorded,
}


def _number(event: Event) -> int:
    assert event.trial is not None, event
    return event.trial

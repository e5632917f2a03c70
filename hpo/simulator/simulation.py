"""Plays a study by a clock of its own: searcher, scheduler and learning curves in, the ledger's events out.

The events are those that the engine would have written, so `hpo.history` folds them and every reader reads them; only
nothing is trained and no time passes. The same arguments give the same events.
"""

import heapq
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

from hpo.domains import Value
from hpo.event import Event
from hpo.history import History, State, Trial
from hpo.objective import Objective
from hpo.schedulers.decision import Action, Idle, Promote, Prune, Start
from hpo.schedulers.scheduler import Scheduler
from hpo.searchers.searcher import Proposal, Searcher, proposal


@dataclass(frozen=True)
class Epoch:
    """What training up to the next report gives, and takes."""

    metrics: dict[str, float]
    seconds: float = 1.0
    diverged: str | None = None
    error: str | None = None  # it raises instead of reporting


Curve = Callable[[Mapping[str, Value], int], Epoch]  # (parameters, epoch from 1) -> what a report there says


@dataclass(kw_only=True)
class Simulation:
    """One study. Trials report after each `epochs_per_report` and train for `max_epochs` unless they are stopped.

    `lost` is the share of reports instead of which the worker is lost, every other time with its last checkpoint.
    These losses are drawn from `seed`, and nothing else is.
    """

    searcher: Searcher
    scheduler: Scheduler
    objective: Objective
    curve: Curve
    max_epochs: int
    workers: int = 4
    epochs_per_report: int = 1
    lost: float = 0.0
    seed: int = 0
    history: History = field(default_factory=History, init=False)

    def __post_init__(self) -> None:
        self.clock = 0.0  # seconds
        self._written: list[Event] = []
        self._due: list[tuple[float, int, int, int, Epoch]] = []  # (when, order, trial, epoch, what is said there)
        self._seq, self._order = count(1), count()
        self._checkpoint_lost: set[int] = set()
        self._random = Random(self.seed)

    def run(self) -> Iterator[Event]:
        """Every event, as it is written, up to the study's end; it goes no further than events are taken."""
        while not self.history.finished:
            self._occupy()
            if self._due:
                self.clock, _, number, epoch, said = heapq.heappop(self._due)
                self._take(self.history.trials[number], epoch, said)
            else:
                self._write("finished", payload={"reason": f"all {len(self.history.trials)} trials ended"})
            written, self._written = self._written, []
            yield from written

    def _occupy(self) -> None:
        """Give every free worker something to do, as far as there is anything."""
        while len(self._due) < self.workers:
            if not self.history.waiting:
                match self.scheduler.next(self.history):
                    case Idle():
                        return
                    case Prune(number, reason):
                        self._end(self.history.trials[number], State.PRUNED, reason)
                        continue
                    case Promote(number, reason, inputs):
                        trial = self.history.trials[number]
                        self._write("continued", trial, {"reason": reason, **inputs}, step=trial.last_step)
                    case Start(bracket, params, parent):
                        given = Proposal(dict(params)) if params else proposal(self.searcher, self.history)
                        child = {"parent": list(parent)} if parent else {}
                        payload = {"params": given.params, "bracket": bracket, **child, **given.origin}
                        self._write("asked", payload=payload)
            self._start(self.history.trials[min(self.history.waiting)])

    def _start(self, trial: Trial) -> None:
        step = trial.last_step
        if trial.number in self._checkpoint_lost:
            self._checkpoint_lost.remove(trial.number)
            step = max(step - 1, 0)
        checkpoint = trial.evaluations[step - 1].checkpoint if step else None
        self._write("started", trial, {"from_step": step, "checkpoint": checkpoint}, attempt=trial.attempt + 1)
        self._train(trial)

    def _train(self, trial: Trial) -> None:
        epoch = min(self._epochs(trial) + self.epochs_per_report, self.max_epochs)
        said = self.curve(trial.params, epoch)
        heapq.heappush(self._due, (self.clock + said.seconds, next(self._order), trial.number, epoch, said))

    def _epochs(self, trial: Trial) -> int:
        """Trained so far, those of its parents among them."""
        return int(trial.evaluations[-1].epoch if trial.evaluations else trial.from_epoch)

    def _take(self, trial: Trial, epoch: int, said: Epoch) -> None:
        if self.lost and self._random.random() < self.lost:
            self._write("lost", trial, {"reason": "the worker process died", "counts": 0}, step=trial.last_step)
            if self._random.random() < 0.5:
                self._checkpoint_lost.add(trial.number)
        elif said.error:
            again = trial.error == (said.error, trial.last_step)
            self._write("raised", trial, {"reason": said.error, "counts": 1}, step=trial.last_step)
            if again:
                self._end(trial, State.FAILED, said.error)
        else:
            step = trial.last_step + 1
            payload = {
                "epoch": float(epoch),
                "metrics": said.metrics,
                "seconds": said.seconds,
                "checkpoint": f"checkpoint-{step:04d}-{trial.attempt}",
                "diverged": said.diverged,
            }
            self._write("reported", trial, payload, step=step)
            self._judge(trial, epoch)

    def _judge(self, trial: Trial, epoch: int) -> None:
        last = trial.evaluations[-1]
        value = last.metrics.get(self.objective.metric, math.nan)
        if last.diverged or not math.isfinite(value):
            return self._end(trial, State.DIVERGED, last.diverged or f"{self.objective.metric} is {value}")
        decision = self.scheduler.judge(self.history, trial)
        if decision.inputs:
            payload = {"stop": decision.stop, "reason": decision.reason, **decision.inputs}
            self._write("decided", trial, payload, step=last.step)
        if decision.action is Action.STOP:
            self._end(trial, State.PRUNED, decision.reason)
        elif decision.action is Action.PAUSE:
            self._write("paused", trial, {"reason": decision.reason}, step=last.step)
        elif epoch == self.max_epochs:
            self._end(trial, State.COMPLETE, "ran to its end")
        else:
            self._train(trial)

    def _end(self, trial: Trial, state: State, reason: str) -> None:
        self._write("ended", trial, {"state": str(state), "reason": reason})

    def _write(
        self,
        kind: str,
        trial: Trial | None = None,
        payload: dict[str, Any] | None = None,
        attempt: int | None = None,
        step: int | None = None,
    ) -> None:
        number = trial.number if trial else None
        attempt = attempt or (trial.attempt if trial else None)
        event = Event(next(self._seq), self.clock, kind, number, attempt, step, payload or {})
        self.history.apply(event)
        self.scheduler.apply(self.history, event)
        self._written.append(event)

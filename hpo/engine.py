"""The study loop, read aloud: what is run next, what a report means, how a trial ends.

An executor asks for segments and hands in what its workers say. Every step is committed to the ledger before it is
acted on, and the history that decisions are taken from is nothing but the fold of the ledger.
"""

import logging
import math
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict

from hpo.history import History, State, Trial
from hpo.ledger import Event, Ledger
from hpo.paths import StudyPaths
from hpo.searchers import build_searcher
from hpo.segment import Failed, Reported, Segment
from hpo.study_file import Study
from hpo.trainable import resolved
from train_fn.checkpoint import CheckpointError, verify

MAX_LOST_WORKERS = 3  # per trial
SAME_ERRORS = 3  # identical failures, with no success yet, that end the study: they would go on for ever

log = logging.getLogger(__name__)


class Engine:
    """One study in progress. `tell` is called with each event after its commit."""

    def __init__(self, study: Study, paths: StudyPaths, ledger: Ledger, tell: Callable[[Event], None]) -> None:
        self.study, self.paths, self.ledger, self.tell = study, paths, ledger, tell
        self.history = History()
        for event in ledger.events():
            self.history.apply(event)
        self.searcher = build_searcher(
            study.search.searcher, space=study.space, objective=study.objective, seed=study.search.seed
        )
        self.scheduler = study.build_scheduler()
        for trial in self.history.trials:
            if trial.state is State.RUNNING:  # its driver is gone, and its worker with it
                self._append("lost", trial, reason="the driver ended", counts=0)

    def next_segment(self) -> Segment | None:
        """What a free worker does next; None where there is nothing now."""
        if self.history.finished:
            return None
        waiting = next((trial for trial in self.history.trials if trial.state is State.WAITING), None)
        if waiting is None and len(self.history.trials) < self.study.search.trials:
            params = self.searcher.propose(self.history)
            self._append("asked", params=params, searcher=self.study.search.searcher)
            waiting = self.history.trials[-1]
        return self._start(waiting) if waiting else None

    def reported(self, segment: Segment, said: Reported) -> bool:
        """Acknowledge a report by its row; whether the trial goes on. A late one of an older attempt is refused."""
        trial = self.history.trials[segment.trial]
        if trial.attempt != segment.attempt or trial.state is not State.RUNNING:
            log.warning("refused: step %d of attempt %d of trial %d", said.step, segment.attempt, segment.trial)
            return False
        self._append("reported", trial, step=said.step, **{key: v for key, v in asdict(said).items() if key != "step"})
        self._forget_checkpoints(trial)
        state, reason = self._verdict(trial, said)
        if state is not None:
            self._end(trial, state, reason)
        return state is None

    def completed(self, segment: Segment) -> None:
        """The trainable came to its own end."""
        trial = self._current(segment)
        if trial and trial.evaluations:
            self._end(trial, State.COMPLETE, "ran to its end")
        elif trial:
            self._end(trial, State.FAILED, "ended without a report; `yield Report(...)` at least once")

    def failed(self, segment: Segment, said: Failed) -> None:
        """The trainable raised."""
        log.error("trial %d failed\n%s", segment.trial, said.details)
        if trial := self._current(segment):
            self._end(trial, State.FAILED, said.error)

    def lost(self, segment: Segment, reason: str) -> None:
        """The worker is gone: the trial is started again from its last checkpoint."""
        if trial := self._current(segment):
            self._append("lost", trial, reason=reason, counts=1)
            if trial.losses > MAX_LOST_WORKERS:
                self._end(trial, State.FAILED, f"its worker was lost {trial.losses} times: {reason}")

    @property
    def running(self) -> int:
        return sum(trial.state is State.RUNNING for trial in self.history.trials)

    def finish(self) -> None:
        """Close the study where nothing is left to do."""
        if not self.history.finished and all(trial.state.ended for trial in self.history.trials):
            self._append("finished", reason=f"all {len(self.history.trials)} trials ended")

    def _start(self, trial: Trial) -> Segment:
        checkpoint, from_step = self._last_good_checkpoint(trial)
        attempt = trial.attempt + 1
        self._append("started", trial, attempt=attempt, from_step=from_step, checkpoint=checkpoint)
        return Segment(
            trial=trial.number,
            attempt=attempt,
            trainable=self.study.trainable,
            config=resolved(self.study.config, trial.params),
            checkpoint=str(self.paths.trial(trial.number) / checkpoint) if checkpoint else None,
            from_step=from_step,
            folder=str(self.paths.trial(trial.number)),
            threads=self.study.resources.cpu,
        )

    def _verdict(self, trial: Trial, said: Reported) -> tuple[State | None, str]:
        metric = self.study.objective.metric
        if metric not in said.metrics:
            there = ", ".join(sorted(said.metrics)) or "none"
            return State.FAILED, f"reported no {metric}, the objective; its metrics are {there}"
        if said.diverged or not math.isfinite(said.metrics[metric]):
            return State.DIVERGED, said.diverged or f"{metric} is {said.metrics[metric]} at epoch {said.epoch:g}"
        decision = self.scheduler.judge(self.history, trial)
        if decision.inputs:
            self._append(
                "decided", trial, step=said.step, stop=decision.stop, reason=decision.reason, **decision.inputs
            )
        return (State.PRUNED if decision.stop else None), decision.reason

    def _end(self, trial: Trial, state: State, reason: str) -> None:
        before = self.history.winner(self.study.objective)
        self._append("ended", trial, state=state, reason=reason)
        for loser in {trial.number, before.number if before else trial.number}:
            self._forget_checkpoints(self.history.trials[loser])
        errors = Counter(t.reason for t in self.history.trials if t.state is State.FAILED)
        succeeded = any(t.state.ended and t.state is not State.FAILED for t in self.history.trials)
        if not succeeded and errors[reason] >= SAME_ERRORS:
            self._append("finished", reason=f"stopped: {errors[reason]} trials in a row failed alike: {reason}")

    def _forget_checkpoints(self, trial: Trial) -> None:
        """Keep what resuming needs (latest and best of a live trial) and what is promoted (the winner's best)."""
        best = trial.best(self.study.objective)
        if not trial.state.ended:
            kept = [best, trial.evaluations[-1]]
        else:
            kept = [best] if self.history.winner(self.study.objective) is trial else []
        for evaluation in trial.evaluations:
            if evaluation.checkpoint and evaluation not in kept:
                shutil.rmtree(self.paths.trial(trial.number) / evaluation.checkpoint, ignore_errors=True)

    def _last_good_checkpoint(self, trial: Trial) -> tuple[str | None, int]:
        for evaluation in reversed(trial.evaluations):
            if evaluation.checkpoint:
                try:
                    verify(self.paths.trial(trial.number) / evaluation.checkpoint)
                    return evaluation.checkpoint, evaluation.step
                except CheckpointError as error:
                    log.warning("trial %d: %s", trial.number, error)
        return None, 0

    def _current(self, segment: Segment) -> Trial | None:
        trial = self.history.trials[segment.trial]
        return trial if trial.attempt == segment.attempt and trial.state is State.RUNNING else None

    def _append(self, kind: str, trial: Trial | None = None, **columns: object) -> None:
        if trial is not None:
            columns = {"attempt": trial.attempt, **columns}
        event = self.ledger.append(kind, trial=trial.number if trial else None, **columns)  # type: ignore[arg-type]
        self.history.apply(event)
        self.tell(event)

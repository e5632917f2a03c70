"""The study loop, read aloud: what is run next, what a report means, how a trial ends.

An executor asks for segments and hands in what its workers say. Every step is committed to the ledger before it is
acted on, and the history that decisions are taken from is nothing but the fold of the ledger.
"""

import logging
import math
import shutil
from collections.abc import Callable
from dataclasses import asdict

from hpo.history import Evaluation, History, State, Trial
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
            self._sweep(trial)
            if trial.state is State.RUNNING:  # its driver is gone, and its worker with it
                self._take_up(trial)

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
        trial = self._current(segment)
        if trial is None:
            log.warning("refused: step %d of attempt %d of trial %d", said.step, segment.attempt, segment.trial)
            return False
        self._append("reported", trial, step=said.step, **{key: v for key, v in asdict(said).items() if key != "step"})
        self._forget_checkpoints(trial)
        return not self._ended_by_verdict(trial)

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

    def _take_up(self, trial: Trial) -> None:
        """A trial left running by an earlier driver is tried again, or ended by the verdict that driver still owed."""
        last_step = trial.evaluations[-1].step if trial.evaluations else 0
        if trial.decision.get("step") != last_step:
            over = self._ended_by_verdict(trial)
        elif over := trial.decision["stop"]:
            self._end(trial, State.PRUNED, trial.decision["reason"])
        if not over:
            self._append("lost", trial, reason="the driver ended", counts=0)

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

    def _ended_by_verdict(self, trial: Trial) -> bool:
        """Judge the trial's last report."""
        if not trial.evaluations:
            return False
        state, reason = self._verdict(trial, trial.evaluations[-1])
        if state is not None:
            self._end(trial, state, reason)
        return state is not None

    def _verdict(self, trial: Trial, last: Evaluation) -> tuple[State | None, str]:
        metric = self.study.objective.metric
        if last.diverged:  # before the objective is looked for: of a diverged model it may not exist
            return State.DIVERGED, last.diverged
        if metric not in last.metrics:
            there = ", ".join(sorted(last.metrics)) or "none"
            return State.FAILED, f"reported no {metric}, the objective; its metrics are {there}"
        if not math.isfinite(last.metrics[metric]):
            return State.DIVERGED, f"{metric} is {last.metrics[metric]} at epoch {last.epoch:g}"
        decision = self.scheduler.judge(self.history, trial)
        if decision.inputs:
            self._append(
                "decided", trial, step=last.step, stop=decision.stop, reason=decision.reason, **decision.inputs
            )
        return (State.PRUNED if decision.stop else None), decision.reason

    def _end(self, trial: Trial, state: State, reason: str) -> None:
        before = self.history.winner(self.study.objective)
        self._append("ended", trial, state=state, reason=reason)
        for loser in {trial.number, before.number if before else trial.number}:
            self._forget_checkpoints(self.history.trials[loser])
        alike = [t for t in self.history.trials if t.state is State.FAILED and t.reason == reason]
        succeeded = any(t.state.ended and t.state is not State.FAILED for t in self.history.trials)
        if len(alike) >= SAME_ERRORS and not succeeded and not self.history.finished:
            self._append("finished", reason=f"stopped: the first {len(alike)} trials failed alike: {reason}")

    def _forget_checkpoints(self, trial: Trial) -> None:
        """Keep what resuming needs (latest and best of a live trial) and what is promoted (the winner's best)."""
        kept = self._kept(trial)
        for evaluation in trial.evaluations:
            if evaluation.checkpoint and evaluation.checkpoint not in kept:
                shutil.rmtree(self.paths.trial(trial.number) / evaluation.checkpoint, ignore_errors=True)

    def _sweep(self, trial: Trial) -> None:
        """Before any worker runs: delete what a crash left, unacknowledged or half written."""
        kept = self._kept(trial)
        for folder in self.paths.trial(trial.number).glob("checkpoint-*"):
            if folder.name not in kept:
                shutil.rmtree(folder, ignore_errors=True)

    def _kept(self, trial: Trial) -> set[str | None]:
        best = trial.best(self.study.objective)
        if not trial.state.ended:
            return {evaluation.checkpoint for evaluation in (best, *trial.evaluations[-1:]) if evaluation}
        return {best.checkpoint} if best and self.history.winner(self.study.objective) is trial else set()

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

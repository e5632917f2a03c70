"""Which checkpoints of a study are kept: what resuming needs, and what may yet be promoted.

Of a live trial the latest, and its best as long as that may still be among the `keep` best of the study; of an ended
one its best, if it is among them. A checkpoint that is best and latest is one folder. What a child begins from is kept
until it has one of its own. Where there are several objectives, every trial on the front keeps its best, and `keep` is
not asked. Of a repeat, which is never promoted, only the latest is kept, and none when it has ended.
"""

import bisect
import logging
import math
from collections.abc import Sequence

from hpo import evaluations
from hpo.disk import Room
from hpo.history import REGULAR, Evaluation, History, Trial
from hpo.objective import Objective
from hpo.paths import StudyPaths
from hpo.shelf import Folder, Shelf
from train_fn.checkpoint import CheckpointError

GROWTH = 1.1  # of a checkpoint, from which on the room for all is looked at again

log = logging.getLogger(__name__)


class Checkpoints:
    """Those of one study. Told by its driver what the ledger already has, so that a crash never deletes too much."""

    def __init__(
        self,
        paths: StudyPaths,
        objectives: Sequence[Objective],
        history: History,
        keep: int = 1,
        room: Room | None = None,
        shelf: Shelf | None = None,
    ) -> None:
        self.paths, self.history, self.keep, self.room = paths, history, keep, room
        self.objectives, self.objective = objectives, objectives[0]
        self.shelf = shelf or Folder(paths)
        self.largest = 0  # bytes of the largest so far
        self.foreseen = 0  # bytes of one that there is room for
        self.there: dict[int, list[Evaluation]] = {}  # trial -> those that lie on the disk, by step
        self.over: set[int] = set()  # trials whose end has been told; one may have ended, and that be told next
        self.children: dict[int, dict[int, int]] = {}  # trial -> children without a checkpoint -> step they begin from
        self.leaders: list[tuple[float, int]] = []  # places of the best of them, ascending

    def sweep(self) -> None:
        """Before any worker runs: find what there is, and delete what a crash left, unacknowledged or half written."""
        self.paths.trials.mkdir(exist_ok=True)
        for trial in [*self.history.ended, *(one for one in self.history.repeats if one.state.ended)]:
            self._rank(trial)
        for trial in self.history.runs:
            self.there[trial.number] = [evaluation for evaluation in trial.evaluations if evaluation.checkpoint]
            if not trial.state.ended and not self.there[trial.number]:
                self.asked(trial)
        lying = self.shelf.all_names()
        for trial in self.history.runs:
            self._tidy(trial, lying.get(trial.number, []))
        if not self.history.finished:
            self._refuse_to_outgrow()

    def asked(self, trial: Trial) -> None:
        """A child needs its parent's checkpoint."""
        if trial.parent:
            parent, step = trial.parent
            self.children.setdefault(parent, {})[trial.number] = step

    def reported(self, trial: Trial) -> None:
        """Its last report may have brought a checkpoint that takes the place of an older one."""
        self._keep_evaluations(trial, trial.evaluations[-1].step)
        if trial.evaluations[-1].checkpoint:
            self._stands_alone(trial)
            self.there.setdefault(trial.number, []).append(trial.evaluations[-1])
            self._forget(trial)
            self._refuse_to_outgrow()

    def ended(self, trial: Trial) -> None:
        self._keep_evaluations(trial)
        self._stands_alone(trial)
        if self._rank(trial):
            for number in list(self.there):
                self._forget(self.history.run(number))
        self._tidy(trial, self.shelf.names(trial.number))

    def settle(self, chosen: Trial, keep: int) -> None:
        """The study is over: the chosen trial's checkpoint stays, and as many of the best as make it `keep` in all."""
        places = [place for place in reversed(self.leaders) if place != self._place(chosen)][: keep - 1]
        self.leaders = sorted([place for place in [self._place(chosen), *places] if place is not None])
        for number in list(self.there):
            self._forget(self.history.run(number))

    def come_home(self) -> None:
        """Those that are kept, when the study is over."""
        self.shelf.come_home([(number, name(kept)) for number, there in self.there.items() for kept in there])

    def last_good(self, trial: Trial) -> tuple[str | None, int]:
        """What the trial goes on from: a checkpoint that is unchanged since it was written, and its step.

        Of a child without one, its parent's and 0.
        """
        self._tidy(trial, self.shelf.names(trial.number))
        there = self.there.get(trial.number, [])
        while there:
            if address := self._address(trial, there[-1]):
                return address, there[-1].step
            self.shelf.discard(trial.number, name(there.pop()))
        if trial.parent:
            parent, step = self.history.trials[trial.parent[0]], trial.parent[1]
            for evaluation in self.there.get(parent.number, []):
                if evaluation.step == step and (address := self._address(parent, evaluation)):
                    return address, 0
            log.warning(
                "trial %d begins from nothing: report %d of trial %d is gone", trial.number, step, parent.number
            )
        return None, 0

    def _keep_evaluations(self, trial: Trial, *steps: int) -> None:
        best = trial.best(self.objective)
        evaluations.keep(self.paths.trial(trial.number), {*steps, best.step if best else 0})

    def _address(self, trial: Trial, evaluation: Evaluation) -> str | None:
        try:
            return self.shelf.address(trial.number, name(evaluation))
        except CheckpointError as error:
            log.warning("trial %d: %s", trial.number, error)
            return None

    def _stands_alone(self, child: Trial) -> None:
        """It no longer needs its parent's checkpoint."""
        parent = child.parent[0] if child.parent else -1
        if self.children.get(parent, {}).pop(child.number, None) is not None:
            self._forget(self.history.trials[parent])

    def _rank(self, trial: Trial) -> bool:
        """Put an ended trial in its place; whether it is among the best."""
        self.over.add(trial.number)
        place = self._place(trial)
        if len(self.objectives) > 1:
            return self._on_front(trial)
        if trial.state not in REGULAR or place is None:
            return False
        bisect.insort(self.leaders, place)
        del self.leaders[: -self.keep]
        return place in self.leaders

    def _on_front(self, trial: Trial) -> bool:
        return any(one is trial for one in self.history.front(self.objectives))

    def _tidy(self, trial: Trial, lying: list[str]) -> None:
        """Delete also what no report tells of: of a worker that died, or that was late."""
        self._forget(trial)
        kept = {evaluation.checkpoint for evaluation in self.there.get(trial.number, ())}
        for name_there in lying:
            if name_there not in kept:
                self.shelf.discard(trial.number, name_there)

    def _forget(self, trial: Trial) -> None:
        kept = self._kept(trial)
        for evaluation in self.there.pop(trial.number, ()):
            if evaluation not in kept:
                self.shelf.discard(trial.number, name(evaluation))
        if kept:
            self.there[trial.number] = kept

    def _kept(self, trial: Trial) -> list[Evaluation]:
        there = self.there.get(trial.number, [])
        copied = self.children.get(trial.number, {}).values()
        kept = [evaluation for evaluation in there if evaluation.step in copied]
        if trial.number not in self.over:
            for evaluation in reversed(there):
                if evaluation not in kept:
                    kept.append(evaluation)
                if self._is_whole(trial, evaluation):  # until then the one before it stays
                    break
        best = max(there, key=self._value, default=None)
        if best is not None and best not in kept and self._may_win(trial):
            kept.append(best)
        return sorted(kept, key=lambda evaluation: evaluation.step)

    def _may_win(self, trial: Trial) -> bool:
        place = self._place(trial)
        if len(self.objectives) > 1:
            return place is not None and (trial.number not in self.over or self._on_front(trial))
        if trial.number in self.over or place is None:
            return place in self.leaders
        return len(self.leaders) < self.keep or place > self.leaders[0]

    def _place(self, trial: Trial) -> tuple[float, int] | None:
        """Larger is better; the earlier of equals. A repeat has none: it confirms a trial, and is never chosen."""
        value = trial.value(self.objective)
        return None if value is None or trial.confirms is not None else (self.objective.sign * value, -trial.number)

    def _value(self, evaluation: Evaluation) -> tuple[float, int]:
        """Larger is better; the earliest of equals."""
        value = evaluation.metrics.get(self.objective.metric, math.nan)
        return self.objective.sign * value if math.isfinite(value) else -math.inf, -evaluation.step

    def _refuse_to_outgrow(self) -> None:
        """DiskError where checkpoints are larger than was known, and there is no room for all that may be kept."""
        if self.room is None or self.largest <= GROWTH * self.foreseen:
            return
        self.foreseen = self.largest
        log.info(self.room.line(self.largest))
        there = sum(self._bytes(number, one) for number, kept in self.there.items() for one in kept)
        self.room.refuse(self.largest, there)

    def _is_whole(self, trial: Trial, evaluation: Evaluation) -> bool:
        try:
            self.largest = max(self.largest, self.shelf.size(trial.number, name(evaluation)))
        except CheckpointError as error:
            log.warning("trial %d: %s", trial.number, error)
            return False
        return True

    def _bytes(self, number: int, evaluation: Evaluation) -> int:
        try:
            return self.shelf.size(number, name(evaluation))
        except CheckpointError:
            return 0


def name(evaluation: Evaluation) -> str:
    assert evaluation.checkpoint is not None
    return evaluation.checkpoint

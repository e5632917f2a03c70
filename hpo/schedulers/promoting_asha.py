"""Asynchronous successive halving as published (Li et al. 2020, MLSys, arXiv:1810.05934): trials pause at the rungs.

A free worker goes on with a trial that is among the best 1 / reduction_factor of its rung, in the highest rung that
has one, and begins a new trial where there is none. So no epoch goes to a trial that was good only when it was early;
the price is a checkpoint and a new start for each promotion. What differs: at the end, when nothing is left to begin
and nothing runs, the best paused trial goes on until one trial has had the full budget.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from hpo.event import Event
from hpo.history import History, State, Trial
from hpo.objective import Objective
from hpo.schedulers.decision import DONE, GO_ON, Action, Decision, Inputs, Next, Promote, Prune
from hpo.schedulers.free_worker import start_or_wait
from hpo.schedulers.ladder import Ladder
from hpo.schedulers.pausing import refuse_without_checkpoint, standing
from hpo.schedulers.rung import check_rungs, rung_epochs, rung_reached, score_of


@dataclass(kw_only=True, eq=False)
class PromotingASHA:
    objective: Objective
    first_rung: int = 1  # epochs that every trial gets
    reduction_factor: int = 3
    max_epochs: int | None = None
    trials: int | None = None
    rungs: tuple[int, ...] = field(init=False)  # epochs, the full budget last
    needs_checkpoints: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_rungs(self.first_rung, self.reduction_factor)
        self.rungs = rung_epochs(self.first_rung, self.reduction_factor, self.max_epochs)
        self._judged = tuple(epochs for epochs in self.rungs if epochs != self.max_epochs)
        self._ladders = [Ladder(self._judged[start:], self.reduction_factor) for start in range(self._brackets)]
        self._skipped = -1  # epochs of the rung that is no longer one
        self._some_complete = False

    def apply(self, history: History, event: Event) -> None:
        if event.kind == "reported":
            trial = history.trials[event.trial]  # type: ignore[index]
            ladder = self._ladders[trial.bracket]
            index = self._reached(trial, ladder)
            if index is not None and (score := score_of(trial, self.objective)) is not None:
                ladder.arrive(index, trial.number, score)
        elif event.kind in ("paused", "continued", "ended"):
            trial = history.trials[event.trial]  # type: ignore[index]
            if event.kind == "paused":
                self._ladders[trial.bracket].pause(trial.number)
            else:
                self._ladders[trial.bracket].leave(trial.number)
                self._some_complete |= trial.state is State.COMPLETE

    def judge(self, history: History, trial: Trial) -> Decision:
        refuse_without_checkpoint(trial)
        ladder = self._ladders[trial.bracket]
        index = self._reached(trial, ladder)
        if index is None or ladder.has_passed(trial.number, index):
            return GO_ON
        rank = ladder.rungs[index].rank(trial.number)
        action = Action.GO_ON if ladder.goes_on(trial.number, index, rank) else Action.PAUSE
        return Decision(action, *standing(ladder.rungs[index], trial.number, rank, ladder.best(index), self.objective))

    def next(self, history: History) -> Next:
        for ladder in self._ladders:
            if (promoted := ladder.next()) is not None:
                return Promote(promoted, *self._standing(ladder, promoted))
        start = start_or_wait(history, self.trials, self._bracket_of(len(history.trials)))
        return self._end() if start is DONE else start

    def skip_first_rung(self) -> None:
        """Those who wait there may still be promoted."""
        self._skipped = self.rungs[0]

    def _reached(self, trial: Trial, ladder: Ladder) -> int | None:
        index = rung_reached(trial, ladder.epochs)
        return None if index is None or ladder.epochs[index] == self._skipped else index

    @property
    def _brackets(self) -> int:
        """How many there are; bracket k begins at rung k."""
        return 1

    def _bracket_of(self, trial: int) -> int:
        return 0

    def _end(self) -> Next:
        """Nothing runs and nothing is left to begin."""
        for ladder in self._ladders:
            if (best := next(ladder.paused(), None)) is not None:
                reason, inputs = self._standing(ladder, best)
                if not self._some_complete:
                    return Promote(best, f"{reason}, and nothing else is left to try", inputs)
                return Prune(best, reason, inputs)
        return DONE

    def _standing(self, ladder: Ladder, trial: int) -> tuple[str, Inputs]:
        rung = ladder.rung_of(trial)
        return standing(rung, trial, rung.rank(trial), len(rung) // self.reduction_factor, self.objective)

"""Asynchronous successive halving in its stopping form (Li et al. 2020, MLSys, arXiv:1810.05934).

Rungs lie at first_rung * reduction_factor ** k epochs below the full budget. A trial that reaches one goes on
if its best score so far is not below the top 1 / reduction_factor of those recorded there before it. The first trial at
a rung passes, and the second is judged by the first alone: with few trials a good one is stopped now and then.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from hpo.event import Event
from hpo.history import History, Trial
from hpo.objective import Objective
from hpo.schedulers.decision import GO_ON, Action, Decision, Next
from hpo.schedulers.free_worker import start_or_wait
from hpo.schedulers.quantile import Quantile
from hpo.schedulers.rung import check_rungs, rung_epochs, rung_reached, score_of


@dataclass(kw_only=True, eq=False)
class ASHA:
    objective: Objective
    first_rung: int = 1  # epochs that every trial gets
    reduction_factor: int = 3
    max_epochs: int | None = None  # the full budget: a trial that has used it up is complete, not stopped
    trials: int | None = None
    rungs: tuple[int, ...] = field(init=False)  # epochs, the full budget last
    needs_checkpoints: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_rungs(self.first_rung, self.reduction_factor)
        self.rungs = rung_epochs(self.first_rung, self.reduction_factor, self.max_epochs)
        self._lowest = 0
        self._at = [Quantile(1 - 1 / self.reduction_factor) for epochs in self.rungs if epochs != self.max_epochs]
        self._decided: dict[int, tuple[int, Decision]] = {}  # trial -> step, and what that report means

    def apply(self, history: History, event: Event) -> None:
        """The cutoff is that of the trials before this one, so it is taken before its score is recorded."""
        if event.kind == "reported":
            trial = history.trials[event.trial]  # type: ignore[index]
            index = rung_reached(trial, self.rungs)
            if index is None or not self._lowest <= index < len(self._at):
                return
            others, score = self._at[index], score_of(trial, self.objective)
            if score is not None:
                others.discard(trial.number)
                if len(others):
                    self._decided[trial.number] = trial.last_step, self._decide(self.rungs[index], others, score)
                others.record(trial.number, score)

    def judge(self, history: History, trial: Trial) -> Decision:
        step, decision = self._decided.get(trial.number, (0, GO_ON))
        return decision if step == trial.last_step else GO_ON

    def next(self, history: History) -> Next:
        return start_or_wait(history, self.trials)

    def skip_first_rung(self) -> None:
        self._lowest = 1

    def _decide(self, epochs: int, others: Quantile, score: float) -> Decision:
        cutoff, sign, trials = others.value(), self.objective.sign, len(others)
        stop = score < cutoff
        score, cutoff = sign * score, sign * cutoff
        reason = (
            f"epoch {epochs}: {self.objective.metric} {score:.4f} {comparison(stop, sign)} "
            f"the cutoff {cutoff:.4f} of {trials} trials before it"
        )
        inputs = {"rung": epochs, "score": score, "cutoff": cutoff, "trials": trials}
        return Decision(Action.STOP if stop else Action.GO_ON, reason, inputs)


def comparison(worse: bool, sign: int) -> str:
    """With its bound, in words that say on which side of it it is good to be."""
    if sign > 0:
        return "below" if worse else "at or above"
    return "above" if worse else "at or below"

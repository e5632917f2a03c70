"""The median rule (Golovin et al. 2017, KDD, "Google Vizier", section 3.2).

A trial stops where its best score so far is below the median, over the other trials, of the average of all scores up
to the same epoch. As in Ray Tune, trials that still run count among the others.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import ClassVar

from hpo.event import Event
from hpo.history import Evaluation, History, Trial
from hpo.objective import Objective
from hpo.schedulers.asha import comparison
from hpo.schedulers.decision import GO_ON, Action, Decision, Next
from hpo.schedulers.free_worker import start_or_wait
from hpo.schedulers.quantile import Quantile
from hpo.schedulers.rung import score_of


@dataclass(kw_only=True, eq=False)
class MedianRule:
    objective: Objective
    first_epoch: int = 1  # before which no trial is stopped
    least_trials: int = 3  # others at the same epoch, below which there is no median to speak of
    max_epochs: int | None = None
    trials: int | None = None
    needs_checkpoints: ClassVar[bool] = False
    rungs: ClassVar[tuple[int, ...]] = ()

    def __post_init__(self) -> None:
        if self.first_epoch < 1:
            raise ValueError(f"`first_epoch` must be at least 1, got {self.first_epoch}")
        if self.least_trials < 1:
            raise ValueError(f"`least_trials` must be at least 1, got {self.least_trials}; try 3")
        self._averages = defaultdict[float, Quantile](lambda: Quantile(0.5))  # by epoch
        self._sums: dict[int, tuple[int, float]] = {}  # trial -> reports, and the sum of their scores
        self._decided: dict[int, tuple[int, Decision]] = {}  # trial -> step, and what that report means

    def apply(self, history: History, event: Event) -> None:
        if event.kind == "started":  # reports after its checkpoint have been forgotten
            trial = history.trials[event.trial]  # type: ignore[index]
            scores = [self._score(evaluation) for evaluation in trial.evaluations]
            self._sums[trial.number] = len(scores), sum(scores)
        elif event.kind == "reported":
            trial = history.trials[event.trial]  # type: ignore[index]
            if (score := score_of(trial, self.objective)) is not None:
                self._arrived(trial, trial.evaluations[-1], score)

    def judge(self, history: History, trial: Trial) -> Decision:
        step, decision = self._decided.get(trial.number, (0, GO_ON))
        return decision if step == trial.last_step else GO_ON

    def next(self, history: History) -> Next:
        return start_or_wait(history, self.trials)

    def _arrived(self, trial: Trial, last: Evaluation, score: float) -> None:
        count, total = self._sums.get(trial.number, (0, 0.0))
        count, total = count + 1, total + self._score(last)
        self._sums[trial.number] = count, total
        others = self._averages[last.epoch]
        others.discard(trial.number)
        in_time = last.epoch >= self.first_epoch and (self.max_epochs is None or last.epoch < self.max_epochs)
        if in_time and len(others) >= self.least_trials:
            self._decided[trial.number] = last.step, self._decide(last.epoch, others, score)
        others.record(trial.number, total / count)

    def _decide(self, epoch: float, others: Quantile, score: float) -> Decision:
        median, sign, trials = others.value(), self.objective.sign, len(others)
        stop = score < median
        score, median = sign * score, sign * median
        reason = (
            f"epoch {epoch:g}: {self.objective.metric} {score:.4f} {comparison(stop, sign)} "
            f"the median {median:.4f} of {trials} averages"
        )
        inputs = {"rung": epoch, "score": score, "median": median, "trials": trials}
        return Decision(Action.STOP if stop else Action.GO_ON, reason, inputs)

    def _score(self, evaluation: Evaluation) -> float:
        return self.objective.sign * evaluation.metrics[self.objective.metric]

"""Asynchronous successive halving in its stopping form (Li et al. 2020, MLSys, arXiv:1810.05934).

Rungs lie at first_rung * reduction_factor ** k epochs below the full budget. A trial that reaches one goes on
if its best score so far is not below the top 1 / reduction_factor of those recorded there before it.
"""

import math
from dataclasses import dataclass

import numpy as np

from hpo.history import History, Trial
from hpo.objective import Objective
from hpo.schedulers.decision import GO_ON, Decision


@dataclass(frozen=True, kw_only=True)
class ASHA:
    objective: Objective
    first_rung: int = 1  # epochs that every trial gets
    reduction_factor: int = 3
    max_epochs: int | None = None  # the full budget: a trial that has used it up is complete, not stopped

    def __post_init__(self) -> None:
        if self.first_rung < 1:
            raise ValueError(f"`first_rung` must be at least 1 epoch, got {self.first_rung}")
        if self.reduction_factor < 2:
            raise ValueError(f"`reduction_factor` must be at least 2, got {self.reduction_factor}; try 3")

    def judge(self, history: History, trial: Trial) -> Decision:
        rung = self._rung_reached(trial)
        if rung is None:
            return GO_ON
        score = self._score_at(trial, rung)
        before = [self._score_at(other, rung) for other in history.trials if other is not trial]
        scores = [other for other in before if other is not None]
        if score is None or not scores:
            return GO_ON
        # the quantile as in Ray Tune's ASHA, so that both decide alike
        cutoff = float(np.percentile(scores, 100 * (1 - 1 / self.reduction_factor)))
        sign, metric = self.objective.sign, self.objective.metric
        inputs = {"rung": rung, "score": sign * score, "cutoff": sign * cutoff, "trials": len(scores)}
        stop = score < cutoff
        relation = ("below" if sign > 0 else "above") if stop else ("at or above" if sign > 0 else "at or below")
        reason = (
            f"epoch {rung}: {metric} {sign * score:.4f} {relation} "
            f"the cutoff {sign * cutoff:.4f} of {len(scores)} trials before it"
        )
        return Decision(stop=stop, reason=reason, inputs=inputs)

    def _rung_reached(self, trial: Trial) -> int | None:
        """The highest rung that the last report reached and the one before had not."""
        before = trial.evaluations[-2].epoch if len(trial.evaluations) > 1 else 0.0
        now, rung, reached = trial.evaluations[-1].epoch, self.first_rung, None
        while rung <= now and (self.max_epochs is None or rung < self.max_epochs):
            if before < rung:
                reached = rung
            rung *= self.reduction_factor
        return reached

    def _score_at(self, trial: Trial, rung: int) -> float | None:
        """Best score up to the first report at or after the rung, larger is better; None short of it."""
        scores: list[float] = []
        for evaluation in trial.evaluations:
            score = self.objective.sign * evaluation.metrics.get(self.objective.metric, math.nan)
            if math.isfinite(score):  # a diverged or failed trial has none
                scores.append(score)
            if evaluation.epoch >= rung:
                return max(scores, default=None)
        return None

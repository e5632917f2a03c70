"""Asynchronous successive halving in its stopping form (Li et al. 2020, MLSys, arXiv:1810.05934).

Rungs lie at first_rung * reduction_factor ** k epochs. A trial that reaches a rung goes on if its best score so far is
in the top 1 / reduction_factor of all scores recorded there until then; the first arrivals always go on.
"""

from dataclasses import dataclass

import numpy as np

from hpo.history import Evaluation, History, Trial
from hpo.objective import Objective
from hpo.schedulers.decision import GO_ON, Decision


@dataclass(frozen=True, kw_only=True)
class ASHA:
    objective: Objective
    first_rung: int = 1  # epochs that every trial gets
    reduction_factor: int = 3

    def __post_init__(self) -> None:
        if self.first_rung < 1:
            raise ValueError(f"`first_rung` must be at least 1 epoch, got {self.first_rung}")
        if self.reduction_factor < 2:
            raise ValueError(f"`reduction_factor` must be at least 2, got {self.reduction_factor}; try 3")

    def judge(self, history: History, trial: Trial) -> Decision:
        rung = self._rung_reached(trial)
        if rung is None:
            return GO_ON
        scores = [score for other in history.trials if (score := self._score_at(other, rung)) is not None]
        score = self._score_at(trial, rung)
        if score is None or len(scores) < self.reduction_factor:
            return GO_ON
        # the quantile as in Ray Tune's ASHA, so that both decide alike
        cutoff = float(np.percentile(scores, 100 * (1 - 1 / self.reduction_factor)))
        sign, metric = self.objective.sign, self.objective.metric
        inputs = {"rung": rung, "score": sign * score, "cutoff": sign * cutoff, "trials": len(scores)}
        said = f"epoch {rung}: {metric} {sign * score:.4f}"
        if score < cutoff:
            relation = "below" if sign > 0 else "above"
            reason = f"{said} {relation} the cutoff {sign * cutoff:.4f} of {len(scores)} trials"
            return Decision(stop=True, reason=reason, inputs=inputs)
        return Decision(reason=f"{said} among the top of {len(scores)} trials", inputs=inputs)

    def _rung_reached(self, trial: Trial) -> int | None:
        """The highest rung that the last report reached and the one before had not."""
        before = trial.evaluations[-2].epoch if len(trial.evaluations) > 1 else 0.0
        now, rung, reached = trial.evaluations[-1].epoch, self.first_rung, None
        while rung <= now:
            if before < rung:
                reached = rung
            rung *= self.reduction_factor
        return reached

    def _score_at(self, trial: Trial, rung: int) -> float | None:
        """Best score up to the first report at or after the rung, larger is better; None short of it."""
        best: float | None = None
        for evaluation in trial.evaluations:
            best = _larger(best, self._score(evaluation))
            if evaluation.epoch >= rung:
                return best
        return None

    def _score(self, evaluation: Evaluation) -> float:
        score = self.objective.sign * evaluation.metrics[self.objective.metric]
        return score if np.isfinite(score) else -np.inf


def _larger(best: float | None, score: float) -> float:
    return score if best is None or score > best else best

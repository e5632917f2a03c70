"""When a trial is beyond hope: its loss is no number any more, or stays far above the best that it had.

The second is a rule on spikes, as Lightning's SpikeDetection (mean over 10 values, 2 above it in proportion), but on
reports, against the best mean, and only for a loss that is back where it began: the noise of a small loss is none.
It looks at the training loss. A validation loss may rise fivefold by overfitting alone, and the trial be the best.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from hpo.history import Evaluation, Trial
from hpo.objective import Objective

TRAINING_LOSS = "train_loss"  # watched wherever it is reported
NEAR_START = 0.9  # of the first loss: what a model that has lost all it had learned comes back to
SHOWN = 10  # metrics that an error names


class SpikeRule(BaseModel):
    """`{metric: train_loss, factor: 3, patience: 3, window: 10}`; `factor: null` leaves only what is not finite."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    metric: str | None = None  # small is good; None: train_loss, where it is reported
    factor: float | None = Field(default=3.0, gt=1)  # times the best mean
    patience: int = Field(default=3, ge=1)  # reports in a row above it
    window: int = Field(default=10, ge=1)  # reports that the mean looks back on, with weights that fall off


@dataclass(frozen=True, kw_only=True)
class Trend:
    """A loss from report to report; the mean is exponential, without the bias of its first values."""

    first: float
    sum: float = 0.0
    weight: float = 0.0
    best: float = math.inf  # mean
    above: int = 0  # reports in a row

    def after(self, loss: float, rule: SpikeRule) -> "Trend":
        keep = 1 - 1 / rule.window
        sum, weight = keep * self.sum + (1 - keep) * loss, keep * self.weight + (1 - keep)
        far = rule.factor is not None and loss > max(rule.factor * self.best, NEAR_START * self.first)
        return Trend(
            first=self.first,
            sum=sum,
            weight=weight,
            best=min(self.best, sum / weight),
            above=self.above + 1 if far else 0,
        )


class Divergence:
    """Asked after each report; what it remembers is a fold of the trial's reports, so that a report costs the same."""

    def __init__(self, objectives: Sequence[Objective], rule: SpikeRule) -> None:
        self.rule = rule
        self.watched = rule.metric or TRAINING_LOSS
        self.finite = (self.watched, *(objective.metric for objective in objectives))
        self.trends: dict[int, tuple[Evaluation, Trend | None]] = {}  # with the report that each has come to

    def of(self, trial: Trial) -> str:
        """Why the trial is beyond hope since its last report, or nothing."""
        last = trial.evaluations[-1]
        if last.diverged:
            return last.diverged
        for name in self.finite:
            value = last.metrics.get(name, 0.0)
            if not math.isfinite(value):
                return f"{name} is {value} at epoch {last.epoch:g}"
        trend = self._trend(trial)
        if trend is None or trend.above < self.rule.patience:
            return ""
        return (
            f"{self.watched} is {last.metrics[self.watched]:.3g} at epoch {last.epoch:g}, for {trend.above} reports "
            f"more than {self.rule.factor:g} times its best mean {trend.best:.3g}"
        )

    def _trend(self, trial: Trial) -> Trend | None:
        seen, trend = self.trends.get(trial.number, (None, None))
        new = []
        for evaluation in reversed(trial.evaluations):
            if evaluation is seen:
                break
            new.append(evaluation)
        else:  # the first time here, or the trial has gone back to a checkpoint
            trend = None
        for evaluation in reversed(new):
            loss = evaluation.metrics.get(self.watched)
            if loss is not None:
                trend = (trend or Trend(first=loss)).after(loss, self.rule)
        self.trends[trial.number] = trial.evaluations[-1], trend
        return trend


def missing_metric(last: Evaluation, objectives: Sequence[Objective], rule: SpikeRule) -> str:
    """Which metric that the study file names a report lacks, in one line; or nothing."""
    role_of_objective = "the objective" if len(objectives) == 1 else "an objective"
    named = [*((one.metric, role_of_objective) for one in objectives), (rule.metric, "the metric of `divergence`")]
    for name, role in named:
        if name is not None and name not in last.metrics:
            there = sorted(last.metrics)
            shown = ", ".join(there[:SHOWN]) + (f" and {len(there) - SHOWN:,} more" if len(there) > SHOWN else "")
            return f"reported no {name}, {role}; its metrics are {shown or 'none'}"
    return ""

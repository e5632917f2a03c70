"""When a run is beyond hope, and since which step."""

import math
from dataclasses import dataclass, replace

SMOOTHING = 50  # steps over which the loss is averaged: one hard batch is no spike (assumption)
KEEP = 1 - 1 / SMOOTHING
NEAR_START = 0.9  # of the first loss: what a model that has lost all it had learned comes back to (assumption)


@dataclass(frozen=True, kw_only=True)
class LossTrend:
    """The training loss of each step, smoothed; equal losses give an equal trend, wherever a run was resumed."""

    steps: int = 0
    sum: float = 0.0  # of the weighted losses; dividing by the weights takes the bias of a young average away
    first: float | None = None  # smoothed, after the first SMOOTHING steps
    best: float | None = None  # smoothed, since then

    def after(self, loss: float) -> "LossTrend":
        next = replace(self, steps=self.steps + 1, sum=KEEP * self.sum + (1 - KEEP) * loss)
        if next.steps < SMOOTHING:
            return next
        if self.first is None or self.best is None:
            return replace(next, first=next.smoothed, best=next.smoothed)
        return replace(next, best=min(self.best, next.smoothed))

    @property
    def smoothed(self) -> float:
        """After one step or more."""
        return self.sum / (1 - KEEP**self.steps)

    def spiked(self, factor: float) -> bool:
        """Far above the best, and near where it began: the second keeps the noise of a small loss from counting."""
        if self.first is None or self.best is None:
            return False
        return self.smoothed > max(factor * self.best, NEAR_START * self.first)


def divergence(loss: float, grad_norm: float, overflow_allowed: bool, trend: LossTrend, factor: float | None) -> str:
    """Why a step is the end of a run, or nothing; `trend` already knows its loss."""
    if not math.isfinite(loss):
        return f"training loss is {loss}"
    if not math.isfinite(grad_norm) and not overflow_allowed:
        return f"gradient norm is {grad_norm}"
    if factor is not None and trend.spiked(factor):
        return f"training loss is {trend.smoothed:.3g}, more than {factor:g} times its best {trend.best:.3g}"
    return ""

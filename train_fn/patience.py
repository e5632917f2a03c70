"""For how long nothing has got better: what early stopping and the plateau schedule wait for."""

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Patience:
    """Early stopping (Prechelt 1998, LNCS 1524) and torch's ReduceLROnPlateau count in this way."""

    best: float | None = None  # value at the last gain
    best_step: int = 0  # optimizer steps taken at the last gain
    evaluations: int = 0  # since then

    def after(self, value: float, step: int, *, higher_is_better: bool, min_gain: float = 0.0) -> "Patience":
        """A gain of exactly `min_gain` counts where that is above 0; standing still never does."""
        gain = float("inf") if self.best is None else (value - self.best) * (1 if higher_is_better else -1)
        if gain > 0 and (gain >= min_gain or math.isclose(gain, min_gain)):  # 0.7 - 0.6 is below 0.1
            return Patience(best=value, best_step=step)
        return replace(self, evaluations=self.evaluations + 1)

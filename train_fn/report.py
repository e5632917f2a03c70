"""What a training run says after each evaluation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Report:
    """One evaluation of a training run; a trainable yields these."""

    epoch: float  # passes over the training data so far: the budget that schedulers compare trials at
    metrics: Mapping[str, float]
    save: Callable[[Path], None] | None = (
        None  # writes a resumable checkpoint into an empty folder; valid until the run goes on
    )
    diverged: str | None = None  # why the run is beyond hope, such as "training loss is nan in epoch 2"

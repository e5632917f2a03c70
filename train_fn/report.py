"""What a training run says after each evaluation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Save = Callable[[Path], None]


@dataclass(frozen=True, kw_only=True)
class Report:
    """One evaluation of a training run; a trainable yields these."""

    epoch: float  # passes over the training data so far: the budget that schedulers compare trials at
    metrics: Mapping[str, float]
    save: Save | None = None  # writes a resumable checkpoint into an empty folder; valid until the run goes on
    snapshot: Callable[[], Save] | None = None  # copies what `save` would write: the copy's is valid for ever
    diverged: str | None = None  # why the run is beyond hope, such as "training loss is nan at step 211"
    details: Mapping[str, Any] = field(default_factory=dict)  # tables of plain values, such as a confusion matrix

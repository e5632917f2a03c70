"""What a training run says after each evaluation, and between two steps if it is asked to."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

Save = Callable[[Path], None]
Trainable = TypeVar("Trainable", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class Report:
    """One evaluation of a training run; a trainable yields these."""

    epoch: float  # passes over the training data so far: the budget that schedulers compare trials at
    metrics: Mapping[str, float]
    save: Save | None = None  # writes a resumable checkpoint into an empty folder; valid until the run goes on
    # copies what `save` would write: the copy's is valid for ever; of a run that goes on, if it can be copied
    snapshot: Callable[[], Save] | None = None
    diverged: str | None = None  # why the run is beyond hope, such as "training loss is nan at step 211"
    details: Mapping[str, Any] = field(default_factory=dict)  # tables of plain values, such as a confusion matrix


# What a run that listens yields before each step for as long as True is sent to it: a moment to close it, or to wait.
BETWEEN_STEPS = Report(epoch=math.nan, metrics={})


def listens(epochs: Trainable) -> Trainable:
    """Marks a trainable that hears what is sent to it, as a loop around another one's reports would not.

    Its checkpoints are written from their snapshots while it takes steps.
    """
    epochs.listens = True  # type: ignore[attr-defined]
    return epochs

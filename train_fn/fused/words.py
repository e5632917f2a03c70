"""What a run in a lane and the process that takes its steps say to each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from train_fn.config import TrainingConfig


@dataclass(frozen=True, kw_only=True)
class Begin:
    config: TrainingConfig
    resume_from: Path | None
    threads: int  # of the processor, that the run may take


@dataclass(frozen=True, kw_only=True)
class Save:
    """What was reported last, before anything goes on."""

    folder: Path


@dataclass(frozen=True, kw_only=True)
class Go:
    """On to the next report."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """A report; None in its place: the run is over."""

    epoch: float
    metrics: Mapping[str, float]
    saves: bool
    diverged: str | None
    details: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Saved:
    pass


@dataclass(frozen=True, kw_only=True)
class Raised:
    error: Exception
    details: str  # its traceback

"""The words that driver and worker exchange: a stretch of one trial's training, and what is said while it runs."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A first start, a retry after a lost worker and a resume after a lost driver are all this."""

    trial: int
    attempt: int  # fencing token: what comes in from an older attempt is refused
    trainable: str
    config: dict[str, Any]  # resolved: the study's fixed settings with the trial's parameters laid over
    checkpoint: str | None  # verified folder, or its URL, to go on from
    from_step: int  # reports that are in the ledger up to that checkpoint
    folder: str  # where the trial's checkpoints go
    storage: str | None = None  # URL that they go to instead, where the worker may be on another machine
    threads: int  # CPU threads to train with
    cpus: float = 1.0  # cores that are set aside: as many, or a share of one
    gpus: float = 0.0  # share of one, or how many
    nodes: int = 1  # machines, each with so many threads and GPUs
    node: int = 0  # of these, the one that this is for; the first alone reports and writes checkpoints


@dataclass(frozen=True, kw_only=True)
class Reported:
    step: int
    epoch: float
    metrics: dict[str, float]
    seconds: float
    checkpoint: str | None  # name of the committed folder inside the trial's
    diverged: str | None
    tables: dict[str, Any] = field(default_factory=dict)  # see hpo/evaluations.py; no part of the ledger's row


@dataclass(frozen=True, kw_only=True)
class Failed:
    """The trainable raised: the user's code or data is at fault, not the machine."""

    error: str  # one line
    details: str  # the traceback, for the study's log
    lost_device: bool = False  # on which this process can do nothing any more


@dataclass(frozen=True, kw_only=True)
class DiskFailed:
    """The disk is full, read-only or failing: the machine is at fault, and every other trial will meet it, too."""

    path: str
    said: str  # by the disk
    details: str  # the traceback, for the study's log


@dataclass(frozen=True, kw_only=True)
class Completed:
    """The trainable came to its own end."""


@dataclass(frozen=True, kw_only=True)
class Lost:
    """Of a trial's processes one is gone, and the others with it."""

    reason: str  # to be told, in one line
    counts: bool = True  # as one of the trial's tries


Said = Reported | Failed | DiskFailed | Lost

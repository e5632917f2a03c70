"""What a study's checkpoints may take on the disk: told before the start, and refused where there is no room."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from hpo.disk_faults import existing, in_bytes
from hpo.errors import DiskError

PER_LIVE_TRIAL = 3  # checkpoints: its latest, its best and the one that is being written


class Disk(BaseModel):
    """`{cap_gb: 20, keep: 1}`: the most that all checkpoints of a study take, and of how many trials the best stays."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    cap_gb: float | None = Field(default=None, gt=0)  # 10^9 bytes; None: as much as is free
    keep: int = Field(default=1, ge=1)  # trials whose best checkpoint stays when all is over


@dataclass(frozen=True, kw_only=True)
class Room:
    """For the checkpoints of one study; `count` of them lie on the disk at most."""

    study: str
    folder: Path  # theirs; it need not be there yet
    count: int
    cap: float | None  # bytes

    @property
    def free(self) -> int:
        """Bytes."""
        return shutil.disk_usage(existing(self.folder)).free

    def refuse(self, checkpoint: int, there: int = 0) -> None:
        """DiskError where checkpoints of so many bytes may outgrow cap or disk, of which `there` are taken by them."""
        needed = self.count * checkpoint
        if self.cap is not None and needed > self.cap:
            raise DiskError(
                f"the checkpoints of {self.study} may take {self.in_words(checkpoint)}, but disk.cap_gb allows "
                f"{in_bytes(self.cap)}; raise it with --set, or run fewer trials at once with --set resources.cpu"
            )
        if needed - there > self.free:
            raise DiskError(
                f"the checkpoints of {self.study} may take {self.in_words(checkpoint)}, but {in_bytes(self.free)} are "
                f"free in {existing(self.folder)}; free {in_bytes(needed - there - self.free)}, "
                "or run fewer trials at once with --set resources.cpu"
            )

    def in_words(self, checkpoint: int) -> str:
        return f"{in_bytes(self.count * checkpoint)} ({self.count} of {in_bytes(checkpoint)} at most)"

    def line(self, checkpoint: int | None) -> str:
        """The forecast, for a person."""
        if not checkpoint:
            return f"known after the first checkpoint; {in_bytes(self.free)} are free"
        return f"checkpoints take {self.in_words(checkpoint)}; {in_bytes(self.free)} are free"


def room(study: str, folder: Path, limits: Disk, *, trials: int, at_once: int, pausing: bool) -> Room:
    """`at_once`: trials that train side by side; `pausing`: a scheduler lets trials wait, with all that they need."""
    live = min(trials, max(1, at_once))
    waiting = (trials - live) * (PER_LIVE_TRIAL - 1) if pausing else 0
    ended = 0 if pausing else min(limits.keep, trials - live)
    cap = None if limits.cap_gb is None else limits.cap_gb * 1e9
    return Room(study=study, folder=folder, count=PER_LIVE_TRIAL * live + waiting + ended, cap=cap)

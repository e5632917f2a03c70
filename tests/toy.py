"""A trainable with a known optimum and no torch: studies over it take milliseconds."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from train_fn.report import Report


@dataclass(frozen=True, kw_only=True)
class ToyConfig:
    x: float = 0.0
    y: float = 0.0
    kind: str = "plain"
    max_epochs: int = 9
    fails_at: int = 0  # epoch in which it raises; 0 = never
    diverges_at: int = 0  # epoch whose score is nan; 0 = never
    interrupts_at: int = 0  # epoch in which Ctrl-C is pressed, unless a file `resumed` lies in the folder; 0 = never
    gives_up_at: int = 0  # epoch in which it reports that it diverged, without any metric; 0 = never
    seconds: float = 0.0  # that an epoch takes
    witness: str = ""  # file to which each epoch is appended as it is trained

    def __post_init__(self) -> None:
        if not -10 <= self.x <= 10:
            raise ValueError(f"`x` must be in [-10, 10], got {self.x}; try 0")


@dataclass(frozen=True)
class Prepared:
    fingerprint: str


FINGERPRINT = "0123"


def prepare(config: ToyConfig) -> Prepared:
    if not FINGERPRINT:
        raise ValueError("there are no rows; give some")
    return Prepared(FINGERPRINT)


def epochs(config: ToyConfig, resume_from: Path | None = None) -> Iterator[Report]:
    """The score rises towards -(x - 3)^2 - y^2, whose maximum 0 lies at x = 3, y = 0."""
    done = json.loads((resume_from / "state.json").read_text())["epoch"] if resume_from else 0
    for epoch in range(done + 1, config.max_epochs + 1):
        if config.witness:
            with open(config.witness, "a") as file:
                file.write(json.dumps({"x": config.x, "epoch": epoch, "pid": os.getpid()}) + "\n")
        time.sleep(config.seconds)
        if epoch == config.fails_at:
            raise RuntimeError(f"broken in epoch {epoch}")
        if epoch == config.interrupts_at and not Path("resumed").exists():
            raise KeyboardInterrupt
        if epoch == config.gives_up_at:
            yield Report(epoch=epoch, metrics={}, diverged="loss is nan")
            return
        score = -((config.x - 3) ** 2) - config.y**2 - 1 / epoch
        if epoch == config.diverges_at:
            score = float("nan")
        yield Report(
            epoch=epoch,
            metrics={"score": score, "cost": -score},
            save=lambda folder, epoch=epoch: (folder / "state.json").write_text(json.dumps({"epoch": epoch})),
        )

"""A trainable with a known optimum and no torch: studies over it take milliseconds."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

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
    seed: int = 0  # of the noise
    noise: float = 0.0  # standard deviation of the score between seeds
    diverges_with_seeds: bool = False  # diverges with any seed but 0
    witness: str = ""  # file to which is appended what happens, as it happens; no part of hpo

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
    note(config, "begun", done, checkpoint=resume_from.name if resume_from else None)
    for epoch in range(done + 1, config.max_epochs + 1):
        note(config, "trained", epoch)
        time.sleep(config.seconds)
        if epoch == config.fails_at:
            raise RuntimeError(f"broken in epoch {epoch}")
        if epoch == config.interrupts_at and not Path("resumed").exists():
            raise KeyboardInterrupt
        if epoch == config.gives_up_at:
            yield Report(epoch=epoch, metrics={}, diverged="loss is nan")
            return
        score = -((config.x - 3) ** 2) - config.y**2 - 1 / epoch
        score += config.noise * Random(f"{config.x}/{config.seed}").gauss(0, 1)
        if config.diverges_with_seeds and config.seed:
            score = float("nan")
        if epoch == config.diverges_at:
            score = float("nan")
        yield Report(
            epoch=epoch,
            metrics={"score": score, "cost": -score},
            save=lambda folder, epoch=epoch: (folder / "state.json").write_text(json.dumps({"epoch": epoch})),
        )
        note(config, "acknowledged", epoch, score=score)  # hpo asks for the next report when it has this one for good


def note(config: ToyConfig, what: str, epoch: int, **more: object) -> None:
    """One line, whole or not at all, on the disk before this returns."""
    if config.witness:
        line = {"what": what, "x": config.x, "epoch": epoch, "pid": os.getpid(), "at": time.time(), **more}
        descriptor = os.open(config.witness, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(descriptor, (json.dumps(line) + "\n").encode())
        os.fsync(descriptor)
        os.close(descriptor)


def noted(path: Path, what: str = "trained") -> list[dict[str, Any]]:
    """What a witness file holds of one kind."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [line for line in map(json.loads, lines) if line["what"] == what]

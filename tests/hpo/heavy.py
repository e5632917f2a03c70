"""A trainable whose checkpoints are as large as it is told, and whose disk can be made to go: for test_disk."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from train_fn.report import Report


@dataclass(frozen=True, kw_only=True)
class Config:
    size: int = 1_000  # bytes of a checkpoint
    grows: int = 1  # times as large are those after the first
    told: int = 0  # the same as told before the start; 0: not known
    vanishes: str = (
        ""  # folder that is deleted in the second epoch, unless a file `again` lies in the working directory
    )
    x: float = 0.0
    witness: str = ""  # file to which each epoch is appended as it is trained
    max_epochs: int = 3


def checkpoint_bytes(config: Config) -> int | None:
    return config.told or None


def epochs(config: Config, resume_from: Path | None = None) -> Iterator[Report]:
    done = int((resume_from / "epoch").read_text()) if resume_from else 0
    for epoch in range(done + 1, config.max_epochs + 1):
        if epoch == 2 and config.vanishes and not Path("again").exists():
            shutil.rmtree(config.vanishes)

        if config.witness:
            with open(config.witness, "a") as file:
                file.write(json.dumps({"x": config.x, "epoch": epoch}) + "\n")

        def save(folder: Path, epoch: int = epoch) -> None:
            (folder / "epoch").write_text(str(epoch))
            (folder / "weights").write_bytes(bytes(config.size * (config.grows if epoch > 1 else 1)))

        yield Report(epoch=epoch, metrics={"score": epoch + config.x}, save=save)

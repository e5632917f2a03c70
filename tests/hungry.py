"""A trainable that takes the memory it is told to, and no torch: what packing is tested on."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from train_fn.report import Report

MB = 2**20


@dataclass(frozen=True, kw_only=True)
class HungryConfig:
    rows: int = 1
    width: int = 1  # rows * width MB are taken
    rate: float = 0.1
    fails: bool = False
    seconds: float = 0.0  # that an epoch takes
    max_epochs: int = 3


def epochs(config: HungryConfig, resume_from: Path | None = None) -> Iterator[Report]:
    if config.fails:
        raise RuntimeError("no such device")
    held = bytearray(config.rows * config.width * MB)
    held[::4096] = b"1" * len(held[::4096])  # each page is touched
    for epoch in range(1, config.max_epochs + 1):
        time.sleep(config.seconds)
        yield Report(epoch=epoch, metrics={"score": -config.rate}, save=lambda folder: None)

"""A trainable without data whose best configuration is known: to see whether a searcher finds it, in a second.

The loss falls, with some noise, towards Branin's function of x and y, whose three minima of 0.3979 lie at
(-pi, 12.275), (pi, 2.275) and (9.425, 2.475).
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from math import cos, pi
from pathlib import Path

from train_fn import Report


@dataclass(frozen=True, kw_only=True)
class Config:
    x: float = 0.0  # in [-5, 10]
    y: float = 0.0  # in [0, 15]
    noise: float = 0.5  # standard deviation of the loss after the first epoch
    max_epochs: int = 9
    seed: int = 0

    def __post_init__(self) -> None:
        if not (-5 <= self.x <= 10 and 0 <= self.y <= 15):
            raise ValueError(f"`x` must be in [-5, 10] and `y` in [0, 15], got {self.x} and {self.y}; try 3 and 2")


def branin(x: float, y: float) -> float:
    return (y - 5.1 / (4 * pi**2) * x**2 + 5 / pi * x - 6) ** 2 + 10 * (1 - 1 / (8 * pi)) * cos(x) + 10


def epochs(config: Config, resume_from: Path | None = None) -> Iterator[Report]:
    done = json.loads((resume_from / "state.json").read_text())["epoch"] if resume_from else 0
    for epoch in range(done + 1, config.max_epochs + 1):
        # noise that depends on the epoch alone, so that a resumed run goes on as if it had never stopped
        noise = random.Random(f"{config.seed} {epoch}").gauss(0, config.noise / epoch)
        loss = branin(config.x, config.y) + 20 * 0.5**epoch + noise

        def save(folder: Path, epoch: int = epoch) -> None:
            (folder / "state.json").write_text(json.dumps({"epoch": epoch}))

        yield Report(epoch=epoch, metrics={"loss": loss}, save=save)

"""A trainable of two objectives that cannot both be had, with a known front: studies over it take milliseconds."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from train_fn.report import Report


@dataclass(frozen=True, kw_only=True)
class TwoConfig:
    x: float = 0.0  # what it is about: more of it scores better and costs more
    y: float = 0.0  # how far from the front; 0 is on it
    max_epochs: int = 2
    lacks: str = ""  # a metric that it does not report


def objectives(config: TwoConfig) -> dict[str, bool]:
    return {"score": True, "cost": False, "size": False}


def epochs(config: TwoConfig, resume_from: Path | None = None) -> Iterator[Report]:
    """At the end, where y is 0: score x and cost x^2, so that each x in [0, 1] is on the front."""
    done = json.loads((resume_from / "state.json").read_text()) if resume_from else 0
    for epoch in range(done + 1, config.max_epochs + 1):
        score, cost = config.x - config.y - 1 / (10 * epoch), config.x**2 + config.y
        metrics = {"score": score, "cost": cost, "size": 1 - config.x}
        yield Report(
            epoch=epoch,
            metrics={name: value for name, value in metrics.items() if name != config.lacks},
            save=lambda folder, epoch=epoch: (folder / "state.json").write_text(json.dumps(epoch)),
        )

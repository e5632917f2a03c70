"""A trainable whose config has a field for every kind of range, and borders of its own that some ranges run up to."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from train_fn.report import Report


@dataclass(frozen=True, kw_only=True)
class Group:
    rows: int = 100


@dataclass(frozen=True, kw_only=True)
class Everything:
    rate: float = 0.1
    dropout: float = 0.1
    layers: int = 2
    width: int = 64
    power: float = 1.0
    kind: str = "plain"
    depth: int = 1
    momentum: float = 0.9
    warmup: float = 0.0
    batch: int = 8
    length: int = 64
    data: Group = Group()
    max_epochs: int = 2

    def __post_init__(self) -> None:
        if not 0 < self.rate <= 1:
            raise ValueError(f"`rate` must be in (0, 1], got {self.rate}; try 0.1")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"`momentum` must be in [0, 1), got {self.momentum}; try 0.9")
        if self.layers < 1:
            raise ValueError(f"`layers` must be 1 or more, got {self.layers}; try 2")


def epochs(config: Everything, resume_from: Path | None = None) -> Iterator[Report]:
    for epoch in range(1, config.max_epochs + 1):
        yield Report(epoch=epoch, metrics={"score": config.rate + config.dropout * epoch})


STUDY = {
    "study": "everything",
    "trainable": "tests.hpo.everything:epochs",
    "objective": {"maximize": "score"},
    "config": {"max_epochs": 2, "length": 64},
    "search_space": {
        "rate": {"log_uniform": [1e-3, 1.0], "prior": 0.9},
        "dropout": {"uniform": [0.0, 0.5], "step": 0.1},
        "layers": {"integer": [1, 6]},
        "width": {"log_integer": [8, 512]},
        "power": {"normal": {"mean": 1.0, "sd": 0.2}},
        "kind": {"choice": ["plain", "fancy", "odd"], "prior": "odd"},
        "depth": {"ordered_choice": [1, 2, 4, 8], "when": {"layers": [1, 2]}},
        "momentum": {"uniform": [0.5, 0.99], "when": {"kind": ["plain", "odd"]}},
        "warmup": {"uniform": [0.0, 0.3], "when": {"depth": [4, 8]}},
        "batch": {"integer": [8, 64], "step": 8},
        "data.rows": {"integer": [10, 1000]},
    },
    "constraints": ["batch * length <= 4096", "depth <= layers * 8"],
    "search": {"searcher": "random", "scheduler": "fifo", "trials": 14},
}

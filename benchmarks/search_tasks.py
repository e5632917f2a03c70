"""Recorded learning curves to search on without training: `benchmarks/search_quality.py` plays on them.

Each task has a space, an objective and `curve(params, epoch)`. All parameters are numbers on a plain or a logarithmic
scale, so every peer can search the same space.
"""

import csv
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from hpo.domains import Domain, Integer, LogInteger, LogUniform, Uniform
from hpo.objective import Objective
from hpo.simulator.simulation import Epoch
from hpo.space import Parameter, Space

DATA = Path("../shared/data/hpo")


@dataclass(frozen=True)
class Number:
    low: float
    high: float
    log: bool
    whole: bool

    def domain(self) -> Domain:
        if self.whole:
            return (LogInteger if self.log else Integer)(int(self.low), int(self.high))
        return (LogUniform if self.log else Uniform)(self.low, self.high)


@dataclass(frozen=True)
class Task:
    name: str
    numbers: Mapping[str, Number]
    objective: Objective
    max_epochs: int
    first_rung: int
    curve: Callable[[Mapping[str, float], int], Epoch]
    worst: float  # of the scale that regret is measured on
    best: float

    @property
    def space(self) -> Space:
        return Space({name: Parameter(number.domain()) for name, number in self.numbers.items()})

    def regret(self, value: float) -> float:
        """0 at `best`, 1 at `worst` and beyond it."""
        return float(np.clip((self.best - value) / (self.best - self.worst), 0.0, 1.0))


def lcbench() -> list[str]:
    space = json.loads((DATA / "yahpo" / "lcbench" / "config_space.json").read_text())
    return list(next(one["choices"] for one in space["hyperparameters"] if one["name"] == "OpenML_task_id"))


def lcbench_task(name: str) -> Task:
    """A surrogate of MLP training: 7 numbers, 52 epochs, validation accuracy. Epoch 1 says nothing: rungs from 3 on."""
    sys.path.insert(0, str(DATA / "yahpo"))
    from query_yahpo import Surrogate  # type: ignore[import-not-found]

    surrogate = Surrogate(name)
    numbers = {
        key: Number(of["lower"], of["upper"], of["log"], of["type"] == "uniform_int")
        for key, of in surrogate.space.items()
        if key != "epoch"
    }
    known: dict[tuple[float, ...], list[dict[str, float]]] = {}

    def curve(params: Mapping[str, float], epoch: int) -> Epoch:
        rows = known.setdefault(tuple(params[key] for key in numbers), [])
        while len(rows) < epoch:  # up to the next rung at once: a query costs more than a row
            upto = next(rung for rung in (3, 9, 27, 52) if rung > len(rows))
            rows += surrogate.query([{**params, "epoch": e} for e in range(len(rows) + 1, upto + 1)])
        before = rows[epoch - 2]["time"] if epoch > 1 else 0.0
        seconds = max(rows[epoch - 1]["time"] - before, 1e-3)
        return Epoch({"val_accuracy": rows[epoch - 1]["val_accuracy"]}, seconds)

    low, high = _lcbench_range(name)
    return Task(f"lcbench/{name}", numbers, Objective(maximize="val_accuracy"), 52, 3, curve, low, high)


def _lcbench_range(name: str) -> tuple[float, float]:
    with (DATA / "yahpo" / "instance_target_statistics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if name in row.values() and "val_accuracy" in row.values()]
    found = {row["statistic"]: float(row["value"]) for row in rows}
    return found["min"], found["max"]


def taskset() -> list[str]:
    return sorted(path.stem for path in (DATA / "taskset_imdb").glob("*.npz"))


def taskset_task(name: str) -> Task:
    """Recorded RNN training, of 1,000 configurations; what is proposed is snapped to the nearest. Many diverge."""
    run = np.load(DATA / "taskset_imdb" / f"{name}.npz")
    keys, curves = [str(key) for key in run["hp_names"]], run["valid"]
    raw = run["hp"].copy()
    for column, key in enumerate(keys):
        if key.startswith("beta"):
            raw[:, column] = 1 - raw[:, column]  # sampled on a log scale of its distance from 1
    points = np.log10(np.maximum(raw, 1e-30))
    low, high = points.min(axis=0), points.max(axis=0)
    numbers = {key: Number(10 ** low[i], 10 ** high[i], True, False) for i, key in enumerate(keys)}

    @cache
    def nearest(params: tuple[float, ...]) -> int:
        distance = ((np.log10(params) - points) / (high - low)) ** 2
        return int(distance.sum(axis=1).argmin())

    def curve(params: Mapping[str, float], epoch: int) -> Epoch:
        loss = float(curves[nearest(tuple(params[key] for key in keys)), epoch])  # record 0 is before training
        return Epoch({"loss": loss}, diverged=None if np.isfinite(loss) else "the loss is nan")

    final = curves[:, -1]
    best = float(np.nanmin(curves[:, 1:]))
    return Task(f"taskset/{name}", numbers, Objective(minimize="loss"), 50, 3, curve, float(np.nanmedian(final)), best)


def hpobench() -> list[str]:
    return sorted(path.stem for path in (DATA / "table_hpobench").glob("*.npz"))


def hpobench_task(name: str) -> Task:
    """The whole grid of 30,000, mean of five seeds: no curves, but a known optimum. Parameters are grid indices."""
    keys = json.loads((DATA / "table_hpobench" / "space.json").read_text())["param_names"]
    values = np.load(DATA / "table_hpobench" / f"{name}.npz")["values"].mean(axis=-1)
    numbers = {key: Number(0, size - 1, False, True) for key, size in zip(keys, values.shape, strict=True)}

    def curve(params: Mapping[str, float], epoch: int) -> Epoch:
        return Epoch({"score": float(values[tuple(int(params[key]) for key in keys)])})

    worst, best = float(np.median(values)), float(values.max())
    return Task(f"hpobench/{name}", numbers, Objective(maximize="score"), 1, 1, curve, worst, best)


def all_tasks() -> Iterator[str]:
    yield from (f"lcbench/{name}" for name in lcbench())
    yield from (f"taskset/{name}" for name in taskset())
    yield from (f"hpobench/{name}" for name in hpobench())


@cache
def task(name: str) -> Task:
    suite, _, rest = name.partition("/")
    return {"lcbench": lcbench_task, "taskset": taskset_task, "hpobench": hpobench_task}[suite](rest)

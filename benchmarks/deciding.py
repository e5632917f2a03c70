"""What a scheduler's decision costs as a study grows: a report taken in and judged, and a free worker told what to do.

    python benchmarks/deciding.py [--quick] [--json FILE]

Simulated studies of 100 to 10,000 trials on random scores, rungs at 1, 3, 9 and 27 epochs; the median of the decisions
of the second half of a study, in microseconds of this process. Ray Tune's ASHA beside it, where it is installed. The
slope is that of the logarithms: 0 would be a constant, 1 a scan over all trials.
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hpo.domains import Uniform
from hpo.environment import describe
from hpo.event import Event
from hpo.history import History, Trial
from hpo.objective import Objective
from hpo.schedulers import SCHEDULERS, build_scheduler
from hpo.schedulers.decision import Decision, Next
from hpo.schedulers.scheduler import Scheduler
from hpo.searchers import build_searcher
from hpo.simulator.simulation import Epoch, Simulation
from hpo.space import Parameter, Space

SIZES = (100, 300, 1_000, 3_000, 10_000)
MOST = 5.0  # microseconds for a decision
SPACE = Space({"share": Parameter(Uniform(0.0, 1.0))})
SCORE = Objective(maximize="score")


class Timed:
    """A scheduler that notes what its decisions cost, in seconds."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler, self.needs_checkpoints, self.rungs = scheduler, scheduler.needs_checkpoints, scheduler.rungs
        self.judged: list[float] = []
        self.asked: list[float] = []
        self.taken_in = 0.0

    def apply(self, history: History, event: Event) -> None:
        began = time.perf_counter()
        self.scheduler.apply(history, event)
        self.taken_in = time.perf_counter() - began

    def judge(self, history: History, trial: Trial) -> Decision:
        began = time.perf_counter()
        said = self.scheduler.judge(history, trial)
        if said.inputs:
            self.judged.append(self.taken_in + time.perf_counter() - began)
        return said

    def next(self, history: History) -> Next:
        began = time.perf_counter()
        said = self.scheduler.next(history)
        self.asked.append(time.perf_counter() - began)
        return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="up to 1,000 trials")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    sizes = SIZES[: 3 if arguments.quick else None]
    names = [name for name in SCHEDULERS if name != "fifo"]
    rows = [row(name, [cost(name, size) for size in sizes], sizes) for name in names]
    print(table(rows, sizes))
    if ray := ray_asha():
        found = [statistics.median(ray(size)) * 1e6 for size in sizes]
        print(f"| Ray's ASHA | {' | '.join(f'{one:.1f}' for one in found)} | {slope(sizes, found):.2f} | | |")
    if arguments.json:
        arguments.json.write_text(json.dumps(measurements(rows, sizes), indent=1) + "\n", encoding="utf-8")


def cost(name: str, trials: int) -> tuple[float, float]:
    """Microseconds of a judged report, and of a free worker's question."""
    scores = random.Random(0)
    timed = Timed(build_scheduler(name, objective=SCORE, max_epochs=81, trials=trials, seed=0, space=SPACE))
    simulation = Simulation(
        searcher=build_searcher("random", space=SPACE, objective=SCORE, seed=0),
        scheduler=timed,
        objective=SCORE,
        curve=lambda params, epoch: Epoch({"score": scores.random()}),
        max_epochs=81,
    )
    for _ in simulation.run():
        if len(simulation.history.trials) >= trials and name == "pbt":  # all begin at once, and train for long
            break
    judged, asked = timed.judged[len(timed.judged) // 2 :], timed.asked[len(timed.asked) // 2 :]
    return statistics.median(judged) * 1e6, statistics.median(asked) * 1e6


def slope(sizes: tuple[int, ...], costs: list[float]) -> float:
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def row(name: str, costs: list[tuple[float, float]], sizes: tuple[int, ...]) -> dict[str, Any]:
    judged, asked = [one for one, _ in costs], [one for _, one in costs]
    return {
        "scheduler": name,
        "judged": judged,
        "slope": slope(sizes, judged),
        "next": asked[-1],
        "next slope": slope(sizes, asked),
    }


def table(rows: list[dict[str, Any]], sizes: tuple[int, ...]) -> str:
    head = ["scheduler", *(f"{size:,} trials" for size in sizes), "slope", "next", "its slope"]
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    for one in rows:
        cells = [one["scheduler"], *(f"{cost:.1f}" for cost in one["judged"]), f"{one['slope']:.2f}"]
        lines.append("| " + " | ".join([*cells, f"{one['next']:.1f}", f"{one['next slope']:.2f}"]) + " |")
    return "\n".join(lines)


def ray_asha() -> Callable[[int], list[float]] | None:
    """Seconds of each of the last decisions at one rung of so many trials."""
    try:
        from ray.tune.schedulers import AsyncHyperBandScheduler
    except ImportError:
        return None

    def costs(trials: int) -> list[float]:
        scheduler, scores = (
            AsyncHyperBandScheduler("epoch", "score", "max", max_t=81, reduction_factor=3),
            random.Random(0),
        )
        found = []
        for number in range(trials):
            trial = type("RayTrial", (), {"trial_id": str(number)})()
            scheduler.on_trial_add(None, trial)
            began = time.perf_counter()
            scheduler.on_trial_result(None, trial, {"epoch": 1, "score": scores.random()})
            found.append(time.perf_counter() - began)
        return found[trials // 2 :]

    return costs


def measurements(rows: list[dict[str, Any]], sizes: tuple[int, ...]) -> list[dict[str, Any]]:
    return [
        {
            "name": f"{one['scheduler']}: a decision in a study of {sizes[-1]:,} trials",
            "value": one["judged"][-1],
            "unit": "us",
            "target": MOST,
            "holds": one["judged"][-1] <= MOST,
            "peers": {},
            "spread": [one["judged"][0], one["judged"][-1]],
            "environment": describe(),
        }
        for one in rows
    ]


if __name__ == "__main__":
    main()

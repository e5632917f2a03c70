"""What `warm_start.py` and `priors.py` share: how many epochs one way of searching needs for what another reaches.

Four workers and a fake clock on recorded learning curves; nothing is trained. The bar is what the plain search has
after `FOR` full trainings, in the median of seeds of its own; what counts is the epochs to that bar, in the median of
other seeds, over those of the plain search. A run that never gets there counts with all that it may spend.
"""

import argparse
import json
import os
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from search_tasks import DATA, Task, lcbench, task

from hpo.environment import describe
from hpo.schedulers import build_scheduler
from hpo.schedulers.scheduler import Scheduler
from hpo.searchers.searcher import Searcher
from hpo.simulator.simulation import Simulation

WORKERS = 4
FULL_TRAININGS = 20  # that a study may spend
FOR = (5, 10)  # full trainings, after which the plain search sets the bar
HALF, TENTH_MORE = 0.5, 1.1  # of its epochs: what good advice must save, what bad advice may cost

Build = Callable[[Task, Scheduler, int], Searcher]  # (task, scheduler, seed)
Improvements = list[tuple[int, float]]  # (epochs spent, best value so far)
Runs = dict[tuple[str, str, int], Improvements]  # by (task, method, seed)


def asha(on: Task, seed: int) -> Scheduler:
    given = {"objective": on.objective, "max_epochs": on.max_epochs, "trials": None, "seed": seed, "space": on.space}
    return build_scheduler("asha", {"first_rung": on.first_rung}, **given)


def study(on: Task, searcher: Searcher, scheduler: Scheduler) -> tuple[Simulation, Iterator[float]]:
    """The simulation, and the value after each epoch of any trial as it is played."""
    simulation = Simulation(
        searcher=searcher,
        scheduler=scheduler,
        objective=on.objective,
        curve=on.curve,  # type: ignore[arg-type]
        max_epochs=on.max_epochs,
        workers=WORKERS,
    )
    metric = on.objective.metric
    return simulation, (event.payload["metrics"][metric] for event in simulation.run() if event.kind == "reported")


def played(on: Task, build: Build, seed: int) -> Improvements:
    scheduler = asha(on, seed)
    _, values = study(on, build(on, scheduler, seed), scheduler)
    found: Improvements = []
    for spent, value in zip(range(1, FULL_TRAININGS * on.max_epochs + 1), values, strict=False):
        if not found or on.objective.sign * (value - found[-1][1]) > 0:
            found.append((spent, value))
    return found


def arguments(description: str | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three seeds on one task in ten")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--every", type=int, default=1, help="one task in so many")
    parser.add_argument("--runs", type=Path, help="every run is kept there, and those that are there are not run again")
    parser.add_argument("--json", type=Path)
    found = parser.parse_args()
    if not DATA.is_dir():
        raise SystemExit(f"needs {DATA}, which is absent here")
    found.tasks = lcbench()[:: 10 if found.quick else found.every]
    found.seeds = 3 if found.quick else found.seeds
    found.runs = found.runs or Path(tempfile.mkdtemp()) / "runs.jsonl"
    return found


def all_runs(methods: Mapping[str, Build], plain: str, given: argparse.Namespace) -> Runs:
    """Of the plain search twice as many seeds: the second half sets the bar, so that the first has no advantage."""
    lines = given.runs.read_text().splitlines() if given.runs.exists() else []
    done: Runs = {(one["task"], one["method"], one["seed"]): one["improvements"] for one in map(json.loads, lines)}
    for seed in range(2 * given.seeds):
        for name in given.tasks:
            for method, build in methods.items():
                if (name, method, seed) not in done and (seed < given.seeds or method == plain):
                    improvements = done[name, method, seed] = played(task(f"lcbench/{name}"), build, seed)
                    run = {"task": name, "method": method, "seed": seed, "improvements": improvements}
                    with given.runs.open("a") as file:
                        file.write(json.dumps(run) + "\n")
    return done


def ratios(runs: Runs, method: str, plain: str, given: argparse.Namespace, full_trainings: int) -> list[float]:
    """For each task the epochs to the plain search's value after so many full trainings, over those of the plain."""
    found = []
    for name in given.tasks:
        on = task(f"lcbench/{name}")
        at = full_trainings * on.max_epochs
        bar = statistics.median([best(runs[name, plain, seed], at) for seed in range(given.seeds, 2 * given.seeds)])
        ours, theirs = (
            statistics.median(reached(runs[name, one, seed], bar, on) for seed in range(given.seeds))
            for one in (method, plain)
        )
        found.append(ours / theirs)
    return found


def best(run: Improvements, epochs: float) -> float:
    return [value for spent, value in run if spent <= epochs][-1]


def reached(run: Improvements, bar: float, on: Task) -> float:
    return next((s for s, value in run if on.objective.sign * (value - bar) >= 0), FULL_TRAININGS * on.max_epochs)


def report(runs: Runs, plain: str, bounds: Mapping[str, float], given: argparse.Namespace) -> None:
    """A table; `bounds` is the share of the plain search's epochs that each method may take at most."""
    print(
        f"{len(given.tasks)} tasks of lcbench, {given.seeds} seeds; epochs over those of `{plain}`: median over tasks"
    )
    print("| method | " + " | ".join(f"to its value after {point}" for point in FOR) + " | at most |")
    print("| --- |" + " ---: |" * (len(FOR) + 1))
    measured = []
    for method, bound in bounds.items():
        cells = []
        for point in FOR:
            found = ratios(runs, method, plain, given, point)
            value, (low, high) = statistics.median(found), interval(found)
            cells.append(f"{value:.2f} ({low:.2f}-{high:.2f})")
            measured.append(measurement(f"{method}, to the value of {point} full trainings", value, bound, (low, high)))
        print(f"| {method} | {' | '.join(cells)} | {bound:g} |")
    if given.json:
        given.json.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")


def interval(values: Sequence[float]) -> tuple[float, float]:
    """95 % of the median, by drawing tasks with replacement."""
    drawn = np.random.default_rng(0).choice(values, size=(2000, len(values)))
    low, high = np.quantile(np.median(drawn, axis=1), [0.025, 0.975])
    return float(low), float(high)


def measurement(name: str, value: float, bound: float, spread: tuple[float, float]) -> dict[str, Any]:
    return {
        "name": name,
        "value": value,
        "unit": "of the plain search's epochs",
        "target": bound,
        "holds": value <= bound,
        "peers": {},
        "spread": spread,
        "environment": {**describe(), "load": " ".join(f"{load:.1f}" for load in os.getloadavg())},
    }

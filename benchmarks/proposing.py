"""What a proposal costs as a study grows, for every searcher.

    python benchmarks/proposing.py [--quick] [--json FILE]

Studies of 100 to 10,000 trials of five numbers and a choice, with results at rungs 1, 3, 9 and 27 as ASHA leaves them;
the median of the proposals after so many trials, each with one more trial taken in, in milliseconds of this process.
The slope is that of the logarithms: 0 would be a constant, 1 a cost that grows with the number of trials.
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from hpo.domains import Choice, LogUniform, Uniform
from hpo.environment import describe
from hpo.history import Evaluation, History, State, Trial
from hpo.objective import Objective
from hpo.searchers import LEARN_FROM_PAST, SEARCHERS, build_searcher
from hpo.space import Parameter, Space, sample

SIZES = (100, 1_000, 10_000)
ASKED = 15  # proposals of which the median is taken
MOST = 10.0  # ms, of TPE at 1,000 trials; at 10,000 it must not have grown further than that
RUNGS = (1, 3, 9, 27)
SCORE = Objective(maximize="score")
NUMBERS = {f"share{number}": Parameter(Uniform(0.0, 1.0)) for number in range(4)}
SPACE = Space({"rate": Parameter(LogUniform(1e-5, 1e-1)), **NUMBERS, "kind": Parameter(Choice(("a", "b", "c")))})
# a grid has no numbers between two others
GRID = Space({name: Parameter(Choice(tuple(range(5)))) for name in SPACE})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="up to 1,000 trials")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    sizes = SIZES[: 2 if arguments.quick else None]
    rows = {name: costs(name, {}, sizes) for name in SEARCHERS}
    past = {"old": [trial.params for trial in trials(SPACE, 500)]}
    rows |= {f"{name}, with an earlier study": costs(name, past, sizes) for name in LEARN_FROM_PAST[:2]}
    print("| searcher | " + " | ".join(f"{size:,} trials" for size in sizes) + " | slope |")
    print("| --- |" + " ---: |" * (len(sizes) + 1))
    for name, found in rows.items():
        print(f"| {name} | {' | '.join(f'{one:.3g}' for one in found)} | {slope(sizes, found):.2f} |")
    if arguments.json:
        arguments.json.write_text(json.dumps(measurements(rows, sizes), indent=1) + "\n", encoding="utf-8")


def costs(name: str, past: dict[str, Any], sizes: tuple[int, ...]) -> list[float]:
    """Milliseconds of a proposal after each number of trials."""
    space = GRID if name == "grid" else SPACE
    made = trials(space, max(sizes) + ASKED)
    searcher = build_searcher(name, space=space, objective=SCORE, seed=0, rungs=RUNGS, past=past)
    history, found = History(), []
    for size in sizes:
        history.trials += made[len(history.trials) : size]
        searcher.propose(history)  # what is kept between two proposals is taken in
        seconds: list[float] = []
        for one in made[size : size + ASKED]:
            history.trials.append(one)
            began = time.thread_time()
            searcher.propose(history)
            seconds.append(time.thread_time() - began)
        found.append(statistics.median(seconds) * 1e3)
    return found


def trials(space: Space, count: int) -> list[Trial]:
    """Two in three end at each rung; one in twenty has just begun."""
    random, found = Random(0), []
    for number in range(count):
        params = sample(space, random)
        reached = sum(random.random() < 1 / 3 for _ in RUNGS[1:]) + 1
        score = random.random()
        evaluations = [
            Evaluation(step, float(rung), {"score": score + 0.1 * step}, 1.0, None, None, 0.0)
            for step, rung in enumerate(RUNGS[:reached], start=1)
        ]
        if number % 20 == 19 and number > count - 100:
            found.append(Trial(number=number, params=params, asked=0.0, state=State.RUNNING))
        else:
            state = State.COMPLETE if reached == len(RUNGS) else State.PRUNED
            found.append(Trial(number=number, params=params, asked=0.0, state=state, evaluations=evaluations))
    return found


def slope(sizes: tuple[int, ...], costs: list[float]) -> float:
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def measurements(rows: dict[str, list[float]], sizes: tuple[int, ...]) -> list[dict[str, Any]]:
    return [
        {
            "name": f"{name}: a proposal in a study of {size:,} trials",
            "value": cost,
            "unit": "ms",
            "target": MOST if name == "tpe" and size >= 1_000 else None,
            "holds": cost <= MOST if name == "tpe" and size >= 1_000 else None,
            "peers": {},
            "spread": [min(found), max(found)],
            "environment": describe(),
        }
        for name, found in rows.items()
        for size, cost in zip(sizes, found, strict=True)
    ]


if __name__ == "__main__":
    main()

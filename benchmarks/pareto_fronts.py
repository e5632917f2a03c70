"""How near nsga2 and nsga3 come to a known Pareto front, beside Optuna's samplers: hypervolume as a share of its own.

    python benchmarks/pareto_fronts.py [--quick] [--seeds 20] [--runs FILE] [--json FILE] [--markdown FILE]

ZDT1 and ZDT2 (Zitzler, Deb and Thiele 2000; six numbers, two objectives; a convex and a concave front) and DTLZ2 (Deb
et al. 2005; seven numbers, three objectives), all minimized, one trial after the other. The volume is taken from 1.1 in
each objective, where most random configurations lie beyond, so that the share of them is often 0. Every run is appended
to `--runs`, and those that are there are not run again. `--markdown` puts the table into its section of that file.
"""

import argparse
import json
import math
import statistics
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpo.domains import Uniform
from hpo.environment import describe
from hpo.history import Evaluation, History, State, Trial
from hpo.objective import Objective
from hpo.pareto import Point, hypervolume, nondominated
from hpo.searchers import build_searcher
from hpo.space import Parameter, Space

LOOKED_AT = (100, 300, 600)  # trials
REFERENCE = 1.1
HEADING = "## Several objectives"
LEAST = 1.0  # of Optuna's NSGA-II, as a ratio of medians after 300 and 600 trials


@dataclass(frozen=True, kw_only=True)
class Problem:
    evaluate: Callable[[Sequence[float]], Point]
    numbers: int
    objectives: int
    volume: float  # of its true front, from the reference


def zdt1(x: Sequence[float]) -> Point:
    g = 1 + 9 * sum(x[1:]) / (len(x) - 1)
    return x[0], g * (1 - math.sqrt(x[0] / g))


def zdt2(x: Sequence[float]) -> Point:
    g = 1 + 9 * sum(x[1:]) / (len(x) - 1)
    return x[0], g * (1 - (x[0] / g) ** 2)


def dtlz2(x: Sequence[float]) -> Point:
    g = sum((one - 0.5) ** 2 for one in x[2:])
    first, second = (math.pi / 2 * one for one in x[:2])
    return (
        (1 + g) * math.cos(first) * math.cos(second),
        (1 + g) * math.cos(first) * math.sin(second),
        (1 + g) * math.sin(first),
    )


PROBLEMS = {
    "ZDT1": Problem(evaluate=zdt1, numbers=6, objectives=2, volume=REFERENCE**2 - 1 / 3),
    "ZDT2": Problem(evaluate=zdt2, numbers=6, objectives=2, volume=REFERENCE**2 - 2 / 3),
    "DTLZ2": Problem(evaluate=dtlz2, numbers=7, objectives=3, volume=REFERENCE**3 - math.pi / 6),
}


def ours(name: str, **settings: Any) -> Callable[[Problem, int, int], list[Point]]:
    def run(problem: Problem, trials: int, seed: int) -> list[Point]:
        names = [f"x{number}" for number in range(problem.numbers)]
        aims = [Objective(minimize=f"f{number}") for number in range(problem.objectives)]
        space = Space({name: Parameter(Uniform(0.0, 1.0)) for name in names})
        searcher = build_searcher(name, space=space, objective=aims[0], objectives=aims, seed=seed, **settings)
        history, found = History(), []
        for number in range(trials):
            params = searcher.propose(history)
            found.append(problem.evaluate([float(params[name]) for name in names]))  # type: ignore[arg-type]
            metrics = {aim.metric: value for aim, value in zip(aims, found[-1], strict=True)}
            reports = [Evaluation(1, 1.0, metrics, 1.0, None, None, 0.0)]
            history.trials.append(Trial(number, params, 0.0, state=State.COMPLETE, evaluations=reports))
        return found

    return run


def optunas(sampler: str, most: int = LOOKED_AT[-1], **settings: Any) -> Callable[[Problem, int, int], list[Point]]:
    def run(problem: Problem, trials: int, seed: int) -> list[Point]:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = getattr(optuna.samplers, sampler)(seed=seed, **settings)
            study = optuna.create_study(directions=["minimize"] * problem.objectives, sampler=made)
            found = []
            for _ in range(min(trials, most)):
                trial = study.ask()
                found.append(problem.evaluate([trial.suggest_float(f"x{n}", 0, 1) for n in range(problem.numbers)]))
                study.tell(trial, found[-1])
        return found

    return run


METHODS = {
    "random": ours("random"),
    "nsga2": ours("nsga2"),
    "nsga3": ours("nsga3"),
    "Optuna NSGA-II": optunas("NSGAIISampler"),
    "Optuna NSGA-II, population 20": optunas("NSGAIISampler", population_size=20),
    "Optuna NSGA-III": optunas("NSGAIIISampler"),
    "Optuna NSGA-III, population 20": optunas("NSGAIIISampler", population_size=20),
    "Optuna TPE": optunas("TPESampler", most=300),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two seeds, 300 trials")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--methods", nargs="*", default=[*METHODS])
    parser.add_argument("--runs", type=Path, default=Path(tempfile.gettempdir()) / "pareto_fronts.jsonl")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    arguments = parser.parse_args()
    points = LOOKED_AT[: 2 if arguments.quick else None]
    done = read(arguments.runs)
    for seed in range(2 if arguments.quick else arguments.seeds):
        for problem in PROBLEMS:
            for method in arguments.methods:
                if (problem, method, seed) not in done or len(done[problem, method, seed]) < len(points):
                    shares = shares_of(PROBLEMS[problem], METHODS[method](PROBLEMS[problem], points[-1], seed), points)
                    done[problem, method, seed] = shares
                    with arguments.runs.open("a", encoding="utf-8") as file:
                        file.write(json.dumps([problem, method, seed, shares]) + "\n")
    table = markdown(done, arguments.methods)
    print(table)
    if arguments.markdown:
        into(arguments.markdown, table)
    if arguments.json:
        arguments.json.write_text(json.dumps(measurements(done), indent=1) + "\n", encoding="utf-8")


def shares_of(problem: Problem, found: list[Point], points: Sequence[int]) -> list[float | None]:
    """Of the true front's volume, after so many trials; None of those that a method is not asked for."""
    worth = [tuple(-value for value in one) for one in found]
    reference = (-REFERENCE,) * problem.objectives

    def share(first: list[Point]) -> float:
        return hypervolume([first[index] for index in nondominated(first)], reference) / problem.volume

    return [share(worth[:point]) if point <= len(worth) else None for point in points]


Runs = dict[tuple[str, str, int], list[float | None]]


def read(runs: Path) -> Runs:
    lines = runs.read_text(encoding="utf-8").splitlines() if runs.exists() else []
    return {(problem, method, seed): shares for problem, method, seed, shares in map(json.loads, lines)}


def of(done: Runs, problem: str, method: str, place: int) -> list[float]:
    found = [
        shares[place] for (one, by, _), shares in done.items() if (one, by) == (problem, method) and shares[place:]
    ]
    return [share for share in found if share is not None]


def markdown(done: Runs, methods: Sequence[str]) -> str:
    """Medians over the seeds, with the quartiles."""
    heads = [f"{problem}, {point:,}" for problem in PROBLEMS for point in LOOKED_AT]
    lines = ["| method | " + " | ".join(heads) + " |", "| --- |" + " ---: |" * len(heads)]
    for method in methods:
        cells = [told(of(done, problem, method, place)) for problem in PROBLEMS for place in range(len(LOOKED_AT))]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def told(shares: list[float]) -> str:
    if len(shares) < 2:
        return "".join(f"{share:.3f}" for share in shares)
    low, middle, high = statistics.quantiles(shares, n=4)
    return f"{middle:.3f} ({low:.3f}-{high:.3f})"


def into(page: Path, table: str) -> None:
    """In place of the table that the section has; what stands around it stays."""
    before, heading, section = page.read_text(encoding="utf-8").partition(HEADING)
    lines = section.splitlines()
    rows = [number for number, line in enumerate(lines) if line.startswith("|")]
    kept = [*lines[: rows[0]], table, *lines[rows[-1] + 1 :]] if rows else [*lines, "", table]
    page.write_text(before + heading + "\n".join(kept) + "\n", encoding="utf-8")


def measurements(done: Runs) -> list[dict[str, Any]]:
    found = []
    for mine, peer in (("nsga2", "Optuna NSGA-II"), ("nsga3", "Optuna NSGA-III")):
        for problem in PROBLEMS:
            for place, point in list(enumerate(LOOKED_AT))[1:]:
                ours, theirs = of(done, problem, mine, place), of(done, problem, peer, place)
                if len(ours) < 2 or len(theirs) < 2 or not statistics.median(theirs):
                    continue
                ratio = statistics.median(ours) / statistics.median(theirs)
                low, _, high = statistics.quantiles(ours, n=4)
                found.append(
                    {
                        "name": f"{problem}: {mine}: hypervolume after {point:,} trials",
                        "value": ratio,
                        "unit": f"of {peer}'s",
                        "target": LEAST,
                        "holds": ratio >= LEAST,
                        "peers": {peer: statistics.median(theirs)},
                        "spread": [low, high],
                        "environment": describe(),
                    }
                )
    return found


if __name__ == "__main__":
    main()

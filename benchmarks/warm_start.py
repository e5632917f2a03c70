"""What earlier studies save, and what unrelated ones cost: epochs to equal quality, TPE + ASHA with and without them.

    python benchmarks/warm_start.py [--quick] [--seeds N] [--every N] [--runs FILE] [--json FILE]

Each earlier study is one of TPE + ASHA that spent 20 full trainings. Needs onnxruntime.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from random import Random

from search_budgets import FULL_TRAININGS, HALF, TENTH_MORE, Build, all_runs, arguments, asha, report, study
from search_tasks import Task, lcbench, task

from hpo.schedulers.scheduler import Scheduler
from hpo.searchers import build_searcher
from hpo.searchers.searcher import Searcher
from hpo.space import Params, sample
from hpo.warm_start import ranked

STUDIES = 3  # earlier ones
TRIALS = 300  # of each, about as many as 20 full trainings allow
PLAIN = "without earlier studies"
Past = Mapping[str, Sequence[Params]]


def main() -> None:
    given = arguments(__doc__)
    methods = {
        PLAIN: nothing,
        "one of the same task": same_task,
        "three of other tasks": other_tasks,
        "three of other tasks, their scores shuffled": shuffled,
        "three unrelated: random configurations in random order": unrelated,
        "one turned upside down": upside_down,
    }
    runs = all_runs({name: searching(past) for name, past in methods.items()}, PLAIN, given)
    bounds = dict(zip(list(methods)[1:], (HALF, HALF, TENTH_MORE, TENTH_MORE, TENTH_MORE), strict=True))
    report(runs, PLAIN, bounds, given)


def searching(past: Callable[[str, int], Past]) -> Build:
    def build(on: Task, scheduler: Scheduler, seed: int) -> Searcher:
        given = {"space": on.space, "objective": on.objective, "seed": seed, "rungs": scheduler.rungs}
        return build_searcher("tpe", past=past(on.name.removeprefix("lcbench/"), seed), **given)

    return build


@cache
def earlier(name: str, seed: int) -> list[Params]:
    """The configurations of an earlier study, best first."""
    on = task(f"lcbench/{name}")
    scheduler = asha(on, 1000 + seed)
    searcher = build_searcher("tpe", space=on.space, objective=on.objective, seed=1000 + seed, rungs=scheduler.rungs)
    simulation, values = study(on, searcher, scheduler)
    for _ in zip(range(FULL_TRAININGS * on.max_epochs), values, strict=False):
        pass
    return [trial.params for trial in ranked(simulation.history, on.space, on.objective)]


def nothing(name: str, seed: int) -> Past:
    return {}


def same_task(name: str, seed: int) -> Past:
    return {name: earlier(name, seed)}


def others(name: str, seed: int) -> list[str]:
    return Random(f"{name}/{seed}").sample([one for one in lcbench() if one != name], STUDIES)


def other_tasks(name: str, seed: int) -> Past:
    return {one: earlier(one, seed % 3) for one in others(name, seed)}


def shuffled(name: str, seed: int) -> Past:
    return {one: Random(seed).sample(found, len(found)) for one, found in other_tasks(name, seed).items()}


def unrelated(name: str, seed: int) -> Past:
    space = task(f"lcbench/{name}").space
    return {
        str(one): [sample(space, Random(f"{name}/{seed}/{one}/{n}")) for n in range(TRIALS)] for one in range(STUDIES)
    }


def upside_down(name: str, seed: int) -> Past:
    return {name: earlier(name, seed)[::-1]}


if __name__ == "__main__":
    main()

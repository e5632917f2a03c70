"""What good priors save, and what wrong ones cost: epochs to equal quality with and without them.

    python benchmarks/priors.py [--quick] [--seeds N] [--every N] [--runs FILE] [--json FILE]

As in Mallik et al. 2023, a good prior lies at the best, a wrong one at the worst of many random configurations by their
score after the full budget; all parameters have one, of medium confidence. Needs onnxruntime.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from random import Random

from search_budgets import HALF, TENTH_MORE, Build, all_runs, arguments, report
from search_tasks import Task, task

from hpo.schedulers.scheduler import Scheduler
from hpo.searchers import build_searcher
from hpo.searchers.searcher import Searcher
from hpo.space import Params, Prior, Space, sample

DRAWN = 100  # random configurations
PLAIN = "TPE without priors"


def main() -> None:
    given = arguments(__doc__)
    methods = {
        PLAIN: searching("tpe", lambda on: on.space),
        "TPE, good priors": searching("tpe", lambda on: with_priors(on, drawn(on.name)[0])),
        "TPE, wrong priors": searching("tpe", lambda on: with_priors(on, drawn(on.name)[-1])),
    }
    runs = all_runs(methods, PLAIN, given)
    report(runs, PLAIN, dict(zip(list(methods)[1:], (HALF, TENTH_MORE), strict=True)), given)


def searching(name: str, space: Callable[[Task], Space]) -> Build:
    def build(on: Task, scheduler: Scheduler, seed: int) -> Searcher:
        return build_searcher(name, space=space(on), objective=on.objective, seed=seed, rungs=scheduler.rungs)

    return build


def with_priors(on: Task, centre: Params) -> Space:
    return Space({name: replace(of, prior=Prior(centre[name])) for name, of in on.space.items()})


@cache
def drawn(name: str) -> list[Params]:
    """Random configurations, best first."""
    on = task(name)
    found = [sample(on.space, Random(f"{name}/{number}")) for number in range(DRAWN)]

    def score(params: Params) -> float:
        return on.objective.sign * on.curve(params, on.max_epochs).metrics[on.objective.metric]  # type: ignore[arg-type]

    return sorted(found, key=score, reverse=True)


if __name__ == "__main__":
    main()

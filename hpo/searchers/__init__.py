"""Searchers propose the next configuration: `propose(history) -> params`, pure in (space, objective, seed, history).

Each stands in a file of its own; a new one is one more line here. Each is built as `S(space=, objective=, seed=)`, one
that takes several objectives as `S(space=, objectives=, seed=)`; what else it takes by name are its settings in the
study file. A person's own is named `module:Class`. Names are resolved late, so that reading a study file loads no
optimizer library.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from hpo.objective import Objective
from hpo.searchers.searcher import Searcher
from hpo.space import Params, Space
from hpo.trainable import resolve

SEARCHERS = {
    "random": "hpo.searchers.random:RandomSearch",
    "quasi_random": "hpo.searchers.quasi_random:QuasiRandomSearch",
    "grid": "hpo.searchers.grid:GridSearch",
    "tpe": "hpo.searchers.tpe:TPE",
    "bohb": "hpo.searchers.bohb:BOHB",
    "prior_band": "hpo.searchers.prior_band:PriorBand",
    "gaussian_process": "hpo.searchers.gaussian_process:GaussianProcess",
    "cma_es": "hpo.searchers.cma_es:CMAES",
    "nsga2": "hpo.searchers.nsga2:NSGA2",
    "nsga3": "hpo.searchers.nsga3:NSGA3",
}
EVOLVE = ("nsga2", "nsga3")  # towards the front of several objectives
BLIND = ("random", "quasi_random", "grid")  # to scores, so that one objective is as good as many
GUIDED = ("tpe", "bohb", "gaussian_process")  # follow priors as far as they prove right; `prior_band` has its own way
LEARN_FROM_PAST = (*GUIDED, "prior_band")  # can be told of earlier studies
CONTROL_EVERY = 10  # with earlier studies one trial in so many is drawn at random, to see whether they help


def searcher_class(name: str) -> Any:
    """Of a name above, or `module:Class`; ValueError where there is none."""
    return resolve(SEARCHERS.get(name, name))


def heeds_several(name: str) -> bool:
    """Whether it is of use where there are several objectives; a person's own is, if it takes `objectives`."""
    return name in (*EVOLVE, *BLIND) or "objectives" in inspect.signature(searcher_class(name)).parameters


def build_searcher(
    name: str,
    *,
    space: Space,
    objective: Objective,
    seed: int,
    rungs: tuple[float, ...] = (),
    points: Sequence[Params] = (),
    past: Mapping[str, Sequence[Params]] | None = None,
    objectives: Sequence[Objective] = (),
    **settings: Any,
) -> Searcher:
    """`rungs`, the budgets at which trials are compared, go to a searcher that takes them; `points` are tried first.

    `past` are the configurations of earlier studies, best first, by the names of the studies. `objectives` are all of
    a study with several, `objective` the first of them.
    """
    from hpo.searchers.points import BeginsWith  # which needs numpy; a faulty study file need not wait for it

    cls = searcher_class(name)
    takes = inspect.signature(cls).parameters
    if "rungs" in takes:
        settings["rungs"] = rungs
    aim = {"objectives": objectives or (objective,)} if "objectives" in takes else {"objective": objective}
    searcher: Searcher = cls(space=space, seed=seed, **aim, **settings)
    if past or name in GUIDED:
        from hpo.searchers.guided import Guided  # which needs scipy

        if guides := _guides(name, space, seed, past or {}):
            searcher = Guided(
                searcher=searcher,
                guides=guides,
                space=space,
                objective=objective,
                seed=seed,
                rungs=rungs,
                control_every=CONTROL_EVERY if past else None,
            )
    return BeginsWith(points=points, searcher=searcher, space=space, seed=seed) if points else searcher


def _guides(name: str, space: Space, seed: int, past: Mapping[str, Sequence[Params]]) -> list[Any]:
    from hpo.searchers.guided import Guide
    from hpo.searchers.past import past_guide
    from hpo.searchers.priors import has_priors, prior_centre, prior_density

    guides = [past_guide(study, configurations, space) for study, configurations in past.items()]
    if name in GUIDED and has_priors(space):
        guides = [Guide("prior", prior_density(space), prior_centre(space, seed)), *guides]
    return guides

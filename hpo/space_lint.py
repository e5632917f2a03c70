"""What is allowed in a study file and yet is seldom meant: one line each with a way out, before anything is paid for.

Each rule has a name; `meant: [decay]` in the study file says that a person wants it so, and silences it.
"""

import math
from collections.abc import Callable, Iterator
from itertools import islice
from random import Random

from hpo.domains import Domain, Integer, Uniform
from hpo.space import Space, at, configurations
from hpo.study import Study
from hpo.trainable import module_of

DECADES = 100  # high over low, from which on a linear scale hardly ever tries the low end
NARROW = 1e-3  # of the larger end
RARE = 0.02  # of random configurations
DRAWS = 1000
IGNORES_PRIORS = ("random", "quasi_random", "grid")


def lint(study: Study) -> list[str]:
    """The warnings of all rules that the study does not say are meant."""
    return [warning for name, rule in RULES.items() if name not in study.meant for warning in rule(study)]


def wide(study: Study) -> Iterator[str]:
    """A linear scale over several decades: nine in ten trials would lie in the highest."""
    for name, domain in domains(study):
        if isinstance(domain, Uniform | Integer) and domain.low > 0 and domain.high >= DECADES * domain.low:
            kind, low, high = ("uniform" if isinstance(domain, Uniform) else "integer"), domain.low, domain.high
            decades = math.log10(high / low)
            yield f"{name}: {kind} [{low:g}, {high:g}] spans {decades:.1f} decades; log_{kind} tries each of them alike"


def narrow(study: Study) -> Iterator[str]:
    """A range whose ends are nearly the same."""
    for name, domain in domains(study):
        low, high = domain.ends()[0], domain.ends()[-1]
        if domain.cells is None and high - low < NARROW * max(abs(low), abs(high)):  # type: ignore[operator, arg-type]
            yield f"{name}: {low:g} to {high:g} is hardly a range; fix it in config, or widen it"


def few(study: Study) -> Iterator[str]:
    """More trials than there are configurations."""
    space, trials = study.space, study.search.trials
    if space.varied and all(space[name].domain.cells is not None for name in space.varied):
        found = len(list(islice(configurations(space), trials)))
        if found < trials:
            yield f"{trials} trials are more than there are configurations, {found}; set search.trials to {found}"


def rare(study: Study) -> Iterator[str]:
    """Constraints that hardly any configuration meets."""
    space, random = study.space, Random(0)
    drawn = (at(space, {name: random.random() for name in space.varied}) for _ in range(DRAWS))
    share = sum(space.allows(params) for params in drawn) / DRAWS
    if share < RARE:
        yield f"constraints: only {share:.1%} of random configurations meet them; narrow the ranges to where they hold"


def idle(study: Study) -> Iterator[str]:
    """A condition that every value of its parent meets."""
    for name, parameter in study.space.items():
        for parent, allowed in parameter.when:
            values = study.space[parent].domain.ends()
            if study.space[parent].domain.cells == len(values) and set(values) <= set(allowed):
                yield f"{name}: `when` names all values of {parent}, so it always holds; leave it out"


def prior(study: Study) -> Iterator[str]:
    """Priors that the searcher does not look at."""
    names = [name for name, parameter in study.space.items() if parameter.prior]
    if names and study.search.searcher_name in IGNORES_PRIORS:
        yield f"{', '.join(names)}: {study.search.searcher_name} search heeds no prior; use tpe, bohb or prior_band"


def decay(study: Study) -> Iterator[str]:
    """Trials compared before a schedule that ends with the full budget has begun to fall.

    A trainable's module names such settings: DECAYING = {"schedule": ("linear", "cosine")}.
    """
    scheduler = study.build_scheduler()
    if not scheduler.rungs:
        return
    config = study.first_config()
    for setting, falling in getattr(module_of(study.load_trainable()), "DECAYING", {}).items():
        searched = study.space.get(setting)
        used = searched.domain.ends() if searched else (getattr(config, setting, None),)
        if found := [str(value) for value in used if value in falling]:
            yield (
                f"{study.search.scheduler_name} compares trials from epoch {scheduler.rungs[0]} on, where the learning "
                f"rate of {setting} {' or '.join(found)} is still high; raise first_rung, take a schedule that falls "
                "late, such as wsd, or say that it is meant by `meant: [decay]`"
            )


RULES: dict[str, Callable[[Study], Iterator[str]]] = {
    "wide": wide,
    "narrow": narrow,
    "few": few,
    "rare": rare,
    "idle": idle,
    "prior": prior,
    "decay": decay,
}


def domains(study: Study) -> list[tuple[str, Domain]]:
    space: Space = study.space
    return [(name, space[name].domain) for name in space.varied]

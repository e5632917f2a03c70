"""What must hold between the parts of a study file: conditions, constraints, points, and the trainable's own settings.

Each check gives the faults that it finds; the later ones rely on what the earlier ones have found to be right.
"""

from collections.abc import Callable, Iterator
from dataclasses import fields
from importlib.util import find_spec
from random import Random
from types import NoneType

from hpo.constraints import numbers, parse
from hpo.domains import contains, in_words
from hpo.errors import UsageError
from hpo.history import SEED
from hpo.searchers import BLIND, EVOLVE, LEARN_FROM_PAST, heeds_several
from hpo.space import corners, parents_first, sample
from hpo.space_lint import RULES
from hpo.spelling import did_you_mean
from hpo.study import Study
from hpo.trainable import ConfigError, asked, build_config, check_config, config_class, module_of, resolved
from hpo.wording import any_of
from hpo.yaml_source import Fault, Key


def of_conditions(study: Study) -> Iterator[Fault]:
    parameters = {name: entry.parameter() for name, entry in study.search_space.items()}
    for name, parameter in parameters.items():
        for parent, allowed in parameter.when:
            key = ("search_space", name, "when", parent)
            if parent not in parameters:
                yield key, f"is no searched parameter{did_you_mean(parent, parameters)}"
                continue
            domain = parameters[parent].domain
            if wrong := [value for value in allowed if not contains(domain, value)]:
                names = [value for value in domain.ends() if isinstance(value, str)]
                way_out = did_you_mean(str(wrong[0]), names) if names else ""
                yield key, f"{wrong[0]!r} is no value of {parent}: {in_words(domain)}{way_out}"
            elif domain.cells is None:
                yield key, f"{parent} is hardly ever just {allowed[0]}; give it a step, or a choice"


def of_circles(study: Study) -> Iterator[Fault]:
    try:
        parents_first({name: entry.parameter() for name, entry in study.search_space.items()})
    except ValueError as error:
        yield ("search_space",), str(error)


def of_constraints(study: Study) -> Iterator[Fault]:
    space, fixed = study.space, numbers(study.config)
    for index, text in enumerate(study.constraints):
        key = ("constraints", index)
        for name in parse(text, fixed).names:
            if name not in space:
                yield key, f"{name} is neither searched nor a number in config{did_you_mean(name, [*space, *fixed])}"
            elif any(isinstance(end, (str, bool, NoneType)) for end in space[name].domain.ends()):
                yield key, f"{name} is not always a number: {in_words(space[name].domain)}; use `when`"


def of_room(study: Study) -> Iterator[Fault]:
    try:
        sample(study.space, Random(0))
    except ValueError as error:
        yield ("constraints",), str(error)


def of_points(study: Study) -> Iterator[Fault]:
    space = study.space
    for index, point in enumerate(study.search.points):
        key = ("search", "points", index)
        for name, value in point.items():
            if name not in space:
                yield (*key, name), f"is no searched parameter{did_you_mean(name, space)}"
            elif not contains(space[name].domain, value):
                yield (*key, name), f"{value!r} lies outside the range {in_words(space[name].domain)}"
        if point.keys() - space.keys():
            continue
        try:
            drawn = sample(space, Random(0), fixed=point)
        except ValueError as error:
            yield key, str(error)
            continue
        for name in point.keys() - drawn.keys():
            yield (*key, name), "does not apply at this point, by its `when`; leave it out"


def of_searcher(study: Study) -> Iterator[Fault]:
    try:
        study.search.build_searcher(study.space, study.objective, objectives=study.objectives)
    except ValueError as error:
        yield ("search", "searcher"), str(error)


def of_meant(study: Study) -> Iterator[Fault]:
    for index, rule in enumerate(study.meant):
        if rule not in RULES:
            yield (
                ("meant", index),
                f"{rule!r} is no warning{did_you_mean(rule, RULES)}; it is one of {', '.join(RULES)}",
            )


def of_config(study: Study) -> Iterator[Fault]:
    """Every end of every range must be a value that the trainable takes: no trial is lost to it later."""
    try:
        trainable = study.load_trainable()
        cls = config_class(trainable)
    except ValueError as error:
        yield ("trainable",), str(error)
        return
    for name in study.search_space:
        if name in study.config:
            yield ("config", name), "is both fixed here and searched in search_space; keep one"
    reasons: dict[Key, str] = {}
    for params in corners(study.space):
        try:
            check_config(trainable, build_config(cls, resolved(study.config, params)))
        except ConfigError as error:
            name = ".".join(map(str, error.key))
            key: Key = ("search_space", name) if name in study.search_space else ("config", *error.key)
            reasons.setdefault(key, error.reason)
    yield from reasons.items()


def of_objective(study: Study) -> Iterator[Fault]:
    """A trainable's module may say by `objectives(config)` what it reports, and whether more of it is better."""
    trainable = study.load_trainable()
    objectives = getattr(module_of(trainable), "objectives", None)
    if objectives is None:
        return
    try:
        with asked(trainable, "objectives"):
            known = dict(objectives(study.first_config()))
    except ValueError as error:
        yield ("trainable",), str(error)
        return
    for index, objective in enumerate(study.aims):
        place: Key = ("objectives", index) if study.objectives else ("objective",)
        [(direction, name)] = objective.model_dump(exclude_none=True).items()
        if name not in known and "/" not in name:  # `time/train_seconds` and the like are of no fixed number
            yield (*place, direction), f"{name} is no metric of {study.trainable}{did_you_mean(name, known)}"
        elif name in known and known[name] != (objective.sign > 0):
            better, other = ("larger", "maximize") if known[name] else ("smaller", "minimize")
            yield (*place, direction), f"{name} is the better the {better}; {other} it"


def of_several(study: Study) -> Iterator[Fault]:
    """What a study of several objectives cannot do, as there is no best trial, and what is of no use to one of one."""
    searcher, scheduler = study.search.searcher_name, study.search.scheduler_name
    if not study.objectives:
        if searcher in EVOLVE:
            key: Key = ("search", "searcher")
            yield key, f"{searcher} is for several: write `objectives: [...]`, or take tpe or cma_es for one objective"
        return
    if not heeds_several(searcher):
        known = any_of((*EVOLVE, *BLIND))
        yield ("search", "searcher"), f"{searcher} searches for the best by one objective; of several take {known}"
    if scheduler != "fifo":
        yield ("search", "scheduler"), f"{scheduler} compares trials by one objective; of several take fifo"
    for key, what in (
        (("search", "warm_start"), "earlier studies are learned from by one objective"),
        (("confirm",), "finalists are the best by one objective"),
        (("budget", "target"), "a target is of one objective"),
        (("budget", "noise_repeats"), "the gain that is left is told by one objective"),
    ):
        group = getattr(study, key[0])
        if getattr(group, key[1]) if len(key) > 1 else group:
            yield key, f"{what}; leave it out with `objectives`"


def of_repeats(study: Study) -> Iterator[Fault]:
    """A trial is repeated by another seed, from the beginning, with parameters of its own."""
    asked: list[Key] = [("confirm",)] if study.confirm else []
    asked += [("budget", "noise_repeats")] if study.budget.noise_repeats else []
    known = [field.name for field in fields(config_class(study.load_trainable()))]
    for key in asked:
        if SEED not in known:
            yield key, f"repeats trials with other seeds, but {study.trainable} has no setting `{SEED}`; give it one"
        elif study.search.scheduler_name == "pbt":
            yield key, "repeats a trial by its parameters, but pbt changes them while it trains; drop one of the two"


def of_tracking(study: Study) -> Iterator[Fault]:
    """Of what is installed here, so it is asked only before a study begins; one that has begun says what is behind.

    A folder `wandb`, which the library itself makes where it is used, is found as a package without an origin.
    """
    library = find_spec("wandb") if study.tracking.wandb else None
    if study.tracking.wandb and (library is None or library.origin is None):
        yield ("tracking", "wandb"), "needs wandb, which is not installed; `pip install 'hpo[wandb]'`, or leave it out"


def of_warm_start(study: Study) -> Iterator[Fault]:
    """Of the folders of other studies too, so it is asked only before this one begins."""
    names, searcher = study.search.warm_start, study.search.searcher_name
    if not names:
        return
    from hpo.warm_start import taken_over  # reads ledgers, with a library that takes longer to import than this file

    if searcher not in LEARN_FROM_PAST:
        yield (
            ("search", "warm_start"),
            f"{searcher} learns nothing from earlier studies; take {any_of(LEARN_FROM_PAST)}",
        )
    for index, name in enumerate(names):
        key = ("search", "warm_start", index)
        if name in names[:index]:
            yield key, f"{name} is named twice; leave one out"
            continue
        try:
            taken_over(name, study)
        except UsageError as error:
            yield key, f"study {name} {error}"


def of_nodes(study: Study) -> Iterator[Fault]:
    """A trial on several machines needs a cluster, and as many processes on each."""
    nodes, address = study.resources.nodes, study.ray.address
    if nodes == 1:
        return
    if not study.ray.is_cluster:
        yield (
            ("resources", "nodes"),
            f"a trial on {nodes} machines needs a cluster, but ray.address is {address}; name one there, or try 1",
        )
    for params in corners(study.space):
        number = getattr(study.trial_config(params), "num_processes", nodes)  # else the trainable's own affair
        if number % nodes:
            group = "search_space" if "num_processes" in params else "config"
            way_out = nodes * (number // nodes + 1)
            yield (
                (group, "num_processes"),
                f"must be a multiple of resources.nodes: {nodes}, got {number}; try {way_out}",
            )
            return


CHECKS: tuple[Callable[[Study], Iterator[Fault]], ...] = (
    of_conditions,
    of_circles,
    of_constraints,
    of_room,
    of_points,
    of_config,
    of_nodes,
    of_objective,
    of_several,
    of_searcher,
    of_repeats,
    of_meant,
)


def refuse_lost_trainable(study: Study) -> None:
    """UsageError where the trainable that the study was started with is no longer there, or takes other settings."""
    try:
        config_class(study.load_trainable())
        study.first_config()
    except ValueError as error:
        raise UsageError(f"study {study.study}: trainable {study.trainable}: {error}") from None

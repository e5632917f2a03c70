"""What every searcher promises, as checks that run on a searcher of your own too:

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_my_searcher_keeps_the_contract(check):
        check(MySearcher)

`build(space=, objective=, seed=)` makes a searcher. A broken promise is a `Broken` that says which.
"""

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from hpo.constraints import parse
from hpo.domains import (
    Choice,
    Constant,
    Integer,
    LogInteger,
    LogUniform,
    Normal,
    OrderedChoice,
    Uniform,
    Value,
    contains,
)
from hpo.history import Evaluation, History, State, Trial
from hpo.objective import Objective
from hpo.searchers.searcher import Searcher
from hpo.space import Parameter, Prior, Space

Build = Callable[..., Searcher]

TRIALS = 30
WORKERS = 3  # trials on their way while the next is asked for
SCORE = Objective(maximize="score")
LOSS = Objective(minimize="loss")
ENDS = (State.COMPLETE, State.PRUNED, State.COMPLETE, State.DIVERGED, State.PRUNED, State.FAILED)

SPACE = Space(
    {
        "depth": Parameter(Integer(1, 3), when=(("kind", ("tree",)),)),
        "rate": Parameter(LogUniform(1e-5, 1e-1), prior=Prior(1e-3, "high")),
        "share": Parameter(Uniform(0.25, 0.5), prior=Prior(0.3)),
        "tenths": Parameter(Uniform(0.0, 1.0, step=0.1)),
        "rows": Parameter(LogInteger(8, 64)),
        "width": Parameter(Integer(8, 64, step=8)),
        "noise": Parameter(Normal(0.0, 1.0, low=-1.0)),
        "kind": Parameter(Choice(("tree", "line")), prior=Prior("tree", "low")),
        "size": Parameter(OrderedChoice((16, 32, 64))),
        "fixed": Parameter(Constant("as it is")),
    },
    (parse("rows * width <= 1024"), parse("depth < size / 8")),
)
FINITE = Space({"a": Parameter(Choice(("x", "y", "z"))), "b": Parameter(Integer(1, 2))})


class Broken(AssertionError):
    """A promise that a searcher does not keep."""


def proposes_what_the_space_allows(build: Build) -> None:
    """Inside the bounds, under the conditions and constraints, in plain values."""
    for trial in study(build, SPACE).trials:
        params = trial.params
        for name in SPACE:
            applies, given = SPACE[name].applies(params), name in params
            promise(applies == given, f"{name} is {'left out' if applies else 'given'} in {params}")
            promise(not given or contains(SPACE[name].domain, params[name]), f"{name} is {params.get(name)!r}")
        for constraint in SPACE.constraints:
            promise(constraint.holds(params), f"{params} breaks {constraint.text}")
        for name, value in params.items():
            promise(type(value) in (int, float, str, bool, type(None)), f"{name} is a {type(value).__name__}")
        promise(json.loads(json.dumps(params)) == params, f"{params} does not survive JSON")


def depends_on_the_seed(build: Build) -> None:
    first, again, other = (configurations(study(build, SPACE, seed=seed)) for seed in (3, 3, 4))
    promise(first == again, "the same seed and history gave other proposals")
    promise(first != other, "another seed gave the same proposals")


def survives_a_crash_at_any_ask(build: Build) -> None:
    """A searcher made anew from the history proposes what the one that lived through it does, also when asked again."""
    searcher = build(space=SPACE, objective=SCORE, seed=0)
    for history in asks(lambda history: searcher.propose(history), SPACE, SCORE, TRIALS):
        kept = searcher.propose(history)
        promise(kept == searcher.propose(history), f"trial {len(history.trials)}: asked again, it changed its mind")
        anew = build(space=SPACE, objective=SCORE, seed=0).propose(history)
        promise(kept == anew, f"trial {len(history.trials)}: made anew it proposes {anew}, not {kept}")


def takes_any_end_of_a_trial(build: Build) -> None:
    """All failed, all diverged, all stopped without a report, all still running."""
    for state in (State.FAILED, State.DIVERGED, State.PRUNED, State.COMPLETE, State.RUNNING, State.WAITING):
        searcher, history = build(space=SPACE, objective=LOSS, seed=0), History()
        for number in range(TRIALS // 2):
            history.trials.append(Trial(number=number, params=searcher.propose(history), asked=0.0, state=state))


def takes_a_small_space(build: Build) -> None:
    """More trials than there are configurations, and a space of one."""
    study(build, FINITE)
    study(build, Space({"only": Parameter(Constant(1))}))


def heeds_the_direction(build: Build) -> None:
    """Large is good to `maximize` and bad to `minimize`: turned round with the metric, the proposals are the same."""
    up = study(build, SPACE, objective=SCORE)
    down = study(build, SPACE, objective=LOSS)
    promise(configurations(up) == configurations(down), "minimize: loss proposes otherwise than maximize: -loss")


CHECKS: tuple[Callable[[Build], None], ...] = (
    proposes_what_the_space_allows,
    depends_on_the_seed,
    survives_a_crash_at_any_ask,
    takes_any_end_of_a_trial,
    takes_a_small_space,
    heeds_the_direction,
)


def promise(kept: bool, otherwise: str) -> None:
    if not kept:
        raise Broken(otherwise)


def study(build: Build, space: Space, objective: Objective = SCORE, seed: int = 0, trials: int = TRIALS) -> History:
    """A study that the searcher proposes all trials of, played to its end."""
    searcher = build(space=space, objective=objective, seed=seed)
    return list(asks(searcher.propose, space, objective, trials))[-1]


def asks(
    propose: Callable[[History], dict[str, Value]], space: Space, objective: Objective, trials: int
) -> Iterator[History]:
    """The one history before each ask. Some trials are always on their way; they end late, early, or break down."""
    history, random = History(), Random(0)
    for number in range(trials):
        yield history
        params = propose(history)
        history.trials.append(Trial(number=number, params=params, asked=0.0, state=State.RUNNING, attempt=1))
        while len(running := [trial for trial in history.trials if not trial.state.ended]) > WORKERS:
            advance(random.choice(running), objective)


def advance(trial: Trial, objective: Objective) -> None:
    """One more report, of up to 3, or its end."""
    end, steps = ENDS[trial.number % len(ENDS)], 1 + (trial.number + (trial.number % 4 == 0)) % 3
    if len(trial.evaluations) < steps and end is not State.FAILED:
        step = len(trial.evaluations) + 1
        value = objective.sign * (badness(trial.params) + 0.1 / step) * -1
        value = float("nan") if end is State.DIVERGED and step == steps else value
        trial.evaluations.append(Evaluation(step, float(step), {objective.metric: value}, 1.0, None, None, 0.0))
    else:
        trial.state = end


def badness(params: dict[str, Value]) -> float:
    """How far the numbers are from those of a known best configuration."""
    best: dict[str, Any] = {"share": 0.4, "rate": 0.01, "tenths": 0.5, "rows": 16, "noise": 0.2}
    return sum(abs(float(params[name]) / value - 1) for name, value in best.items() if name in params)  # type: ignore[arg-type]


def configurations(history: History) -> list[dict[str, Value]]:
    return [trial.params for trial in history.trials]

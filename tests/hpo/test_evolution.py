"""NSGA-II and NSGA-III: who lives on, what children are like, and that both come nearer to the front than chance."""

import math
from collections.abc import Iterator
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpo.domains import Choice, Uniform, Value
from hpo.history import Evaluation, History, State, Trial
from hpo.objective import Objective
from hpo.pareto import nondominated
from hpo.searchers import build_searcher
from hpo.searchers.contract import SPACE as HARD
from hpo.searchers.contract import badness
from hpo.searchers.dominance import ranks
from hpo.searchers.nsga2 import NSGA2, crowding
from hpo.searchers.nsga3 import NSGA3, associated, directions, normalised
from hpo.searchers.variation import child, crossed, moved
from hpo.space import Parameter, Space

AIMS = (Objective(maximize="score"), Objective(minimize="cost"))
TURNED = (Objective(minimize="score"), Objective(maximize="cost"))
PLANE = Space({"x": Parameter(Uniform(0.0, 1.0)), "y": Parameter(Uniform(0.0, 1.0)), "z": Parameter(Uniform(0.0, 1.0))})
ENDS = (State.COMPLETE, State.COMPLETE, State.DIVERGED, State.COMPLETE, State.FAILED, State.COMPLETE)
few = st.integers(0, 3).map(float)


def searcher(name: str, space: Space = PLANE, objectives: tuple[Objective, ...] = AIMS, seed: int = 0):  # type: ignore[no-untyped-def]
    return build_searcher(name, space=space, objective=objectives[0], objectives=objectives, seed=seed, population=6)


def asks(name: str, space: Space, trials: int, sign: int = 1, seed: int = 0) -> Iterator[History]:
    """The history before each ask; three trials are always on their way, and some break down."""
    history, random, aims = History(), Random(0), AIMS if sign > 0 else TURNED
    asked = searcher(name, space, aims, seed)
    for number in range(trials):
        yield history
        history.trials.append(Trial(number=number, params=asked.propose(history), asked=0.0, state=State.RUNNING))
        while len(running := [trial for trial in history.trials if not trial.state.ended]) > 3:
            trial = random.choice(running)
            trial.state = ENDS[trial.number % len(ENDS)]
            metrics = {name: sign * value for name, value in measured(trial.params).items()}
            trial.evaluations = [Evaluation(1, 1.0, metrics, 1.0, None, None, 0.0)]
    yield history


def measured(params: dict[str, Value]) -> dict[str, float]:
    if "x" not in params:
        return {"score": -badness(params), "cost": float(params["share"]) * float(params["rate"])}  # type: ignore[arg-type]
    x, off = float(params["x"]), float(params["y"]) + float(params["z"])  # type: ignore[arg-type]
    return {"score": x - off, "cost": x**2 + off}


@pytest.mark.parametrize("name", ["nsga2", "nsga3"])
def test_made_anew_at_any_ask_it_proposes_the_same_with_the_same_parents(name: str) -> None:
    lived = searcher(name, HARD)
    for history in asks(name, HARD, 40):
        kept = lived.proposal(history)
        assert kept == lived.proposal(history) == searcher(name, HARD).proposal(history)
    assert kept.source.startswith("trials ")
    assert all(history.trials[int(word)].state is State.COMPLETE for word in kept.source.split()[1::2])


@pytest.mark.parametrize("name", ["nsga2", "nsga3"])
def test_every_objective_has_its_direction(name: str) -> None:
    *_, up = asks(name, PLANE, 30)
    *_, down = asks(name, PLANE, 30, sign=-1)
    *_, other = asks(name, PLANE, 30, seed=1)
    assert [one.params for one in up.trials] == [one.params for one in down.trials]
    assert [one.params for one in up.trials] != [one.params for one in other.trials]


@pytest.mark.parametrize("name", ["nsga2", "nsga3"])
def test_it_draws_near_to_the_front_and_stays_spread_along_it(name: str) -> None:
    """Every x is on the front where y and z are 0, and chance leaves these at 1 in sum. The last third of 90 trials."""
    late = [list(asks(name, PLANE, 90, seed=seed))[-1].trials[60:] for seed in range(3)]
    params = [trial.params for trials in late for trial in trials]
    assert np.median([float(one["y"]) + float(one["z"]) for one in params]) < 0.35  # type: ignore[arg-type]
    xs = [float(one["x"]) for one in params]  # type: ignore[arg-type]
    assert np.quantile(xs, 0.9) - np.quantile(xs, 0.1) > 0.4


@given(st.lists(st.tuples(few, few, few), min_size=1, max_size=12))
@settings(deadline=None, max_examples=60)
def test_ranks_are_the_fronts_taken_off_one_after_the_other(found: list[tuple[float, float, float]]) -> None:
    left, expected, rank = list(range(len(found))), [0] * len(found), 0
    while left:
        front = [left[index] for index in nondominated([found[one] for one in left])]
        for one in front:
            expected[one] = rank
        left, rank = [one for one in left if one not in front], rank + 1
    assert ranks(np.array(found)).tolist() == expected


def test_room_is_the_distance_between_both_neighbours_on_the_front() -> None:
    """Deb et al. 2002, figure 1: half the perimeter of the box between them, in shares of the front's extent."""
    points = np.array([[0.0, 10.0], [1.0, 5.0], [2.0, 4.0], [4.0, 0.0]])
    assert crowding(points).tolist() == [math.inf, 2 / 4 + 6 / 10, 3 / 4 + 5 / 10, math.inf]
    assert crowding(np.ones((3, 2))).tolist() == [math.inf, 0.0, math.inf]


def test_nsga2_takes_the_best_fronts_and_of_the_last_those_with_room() -> None:
    front = [[0.0, 10.0], [1.0, 5.0], [2.0, 4.0], [4.0, 0.0]]
    points = np.array([[-1.0, -1.0], *front, [-2.0, -2.0]])
    chosen = NSGA2(space=PLANE, objectives=AIMS, seed=0).select(points, 3, np.random.default_rng(0))
    assert sorted(chosen.tolist()) == [1, 3, 4]
    chosen = NSGA2(space=PLANE, objectives=AIMS, seed=0).select(points, 5, np.random.default_rng(0))
    assert chosen.tolist()[-1] == 0 and 5 not in chosen


@pytest.mark.parametrize(
    ("objectives", "most", "count"), [(2, 20, 20), (3, 20, 15), (3, 21, 21), (4, 20, 20), (1, 20, 1)]
)
def test_directions_are_as_many_as_the_population_has_room_for(objectives: int, most: int, count: int) -> None:
    """(parts + objectives - 1) over (objectives - 1), Das and Dennis 1998; each but (1, 0, 0) has a neighbour."""
    found = directions(objectives, most)
    assert found.shape == (count, objectives) and found.sum(axis=1) == pytest.approx(np.ones(count))
    assert len({tuple(row) for row in found.round(9).tolist()}) == count and (found >= 0).all()


def test_scales_are_told_by_the_plane_through_the_extreme_points() -> None:
    """Costs on a plane that cuts the axes at 2, 3 and 5 beyond the ideal point (7, 7, 7) come to sum to 1."""
    random = np.random.default_rng(0)
    shares = np.concatenate([np.eye(3), random.dirichlet(np.ones(3), 20)])
    found = normalised(shares * [2, 3, 5] + 7, np.ones(23, dtype=bool))
    assert found == pytest.approx(shares, abs=1e-4)
    place, distance = associated(np.array([[2.0, 0.0], [1.0, 1.1]]), np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]))
    assert place.tolist() == [0, 1] and distance == pytest.approx([0.0, 0.1 / math.sqrt(2)])


def test_nsga3_gives_every_direction_its_trial() -> None:
    """Thirty points of a front, crowded at one end: the five that live on lie along the five directions."""
    angles = np.concatenate([np.linspace(0, 0.1, 25), [0.32, 0.79, 1.25, 1.5, math.pi / 2]])
    points = -np.column_stack([np.cos(angles), np.sin(angles)])  # larger is better
    method = NSGA3(space=PLANE, objectives=AIMS, seed=0, population=5)
    chosen = method.select(points, 5, np.random.default_rng(0))
    assert sorted(associated(normalised(-points, np.ones(30, dtype=bool))[chosen], directions(2, 5))[0].tolist()) == [
        *range(5)
    ]


def test_crossed_children_lie_around_their_parents_as_deb_and_agrawal_say() -> None:
    """Far from the bounds: the mean of the parents, and of the spread factor half below 1; copies aside."""
    one, other, random = np.full(4000, 0.48), np.full(4000, 0.52), np.random.default_rng(0)
    born = crossed(one, other, np.zeros(4000, dtype=np.int64), 20.0, random)
    new = born[born != one]
    assert len(new) == pytest.approx(2000, abs=150)
    assert new.mean() == pytest.approx(0.5, abs=0.002)
    assert (np.abs(new - 0.5) < 0.02).mean() == pytest.approx(0.5, abs=0.05)


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 1000))
@settings(deadline=None)
def test_children_stay_inside_and_choices_come_from_a_parent(first: float, second: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    one, other = np.full(2, first), np.full(2, second)
    born = child(one, other, np.array([0, 3]), 20.0, random)
    assert ((born >= 0) & (born <= 1)).all()
    assert crossed(one, other, np.array([0, 3]), 20.0, random)[1] in (first, second)


def test_what_mutates_moves_as_deb_says() -> None:
    """Far from the bounds by a density of (eta + 1) / 2 (1 - |move|)^eta (Deb 2001): on average by 1 / (eta + 2)."""
    by = moved(np.full(4000, 0.5), 20.0, np.random.default_rng(0)) - 0.5
    assert by.mean() == pytest.approx(0, abs=0.004)
    assert np.abs(by).mean() == pytest.approx(1 / 22, rel=0.05)


def test_a_choice_mutates_to_any_other() -> None:
    cells, random = np.array([4]), np.random.default_rng(0)
    born = {float(child(np.array([0.125]), np.array([0.125]), cells, 20.0, random)[0] * 4 // 1) for _ in range(50)}
    assert born == {0.0, 1.0, 2.0, 3.0}


def test_a_space_of_choices_alone_is_searched_to_its_end() -> None:
    space = Space({"kind": Parameter(Choice(("a", "b", "c"))), "x": Parameter(Choice((0.0, 0.5, 1.0)))})
    asked, history = searcher("nsga2", space), History()
    for number in range(15):
        params = asked.propose(history)
        metrics = {"score": float(params["x"]), "cost": float(params["x"]) + (params["kind"] != "a")}
        report = Evaluation(1, 1.0, metrics, 1.0, None, None, 0.0)
        history.trials.append(
            Trial(number=number, params=params, asked=0.0, state=State.COMPLETE, evaluations=[report])
        )
    assert len({tuple(trial.params.items()) for trial in history.trials}) == 9

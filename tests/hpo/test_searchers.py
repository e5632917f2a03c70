"""What every searcher promises, and that those who learn do."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hpo.domains import Choice, Integer, LogUniform, Uniform
from hpo.history import Evaluation, History, State, Trial
from hpo.objective import Objective
from hpo.searchers import SEARCHERS, build_searcher, searcher_class
from hpo.searchers.bohb import density, filled
from hpo.searchers.contract import CHECKS, SPACE, Broken, Build, asks
from hpo.searchers.guided import belief
from hpo.searchers.observations import Observations, results_of
from hpo.searchers.parzen import choices, fit, gaps
from hpo.searchers.searcher import Searcher
from hpo.space import Parameter, Prior, Space, sample
from hpo.study_file import load_study

SCORE = Objective(maximize="score")
LEARN = ("tpe", "bohb", "prior_band", "gaussian_process", "cma_es")
HILL = Space(
    {
        "rate": Parameter(LogUniform(1e-5, 1e-1)),
        "share": Parameter(Uniform(0.0, 1.0)),
        "kind": Parameter(Choice(("good", "bad", "worse"))),
    }
)


def hill(params: dict[str, object]) -> float:
    """0 at the top, at rate = 0.001, share = 0.3, kind = good."""
    rate, share = math.log10(params["rate"]) / 4 + 0.75, params["share"] - 0.3  # type: ignore[operator, arg-type]
    return -(rate**2) - share**2 - {"good": 0.0, "bad": 0.1, "worse": 0.2}[str(params["kind"])]


def trial(number: int, params: dict[str, object], *curve: float, state: State = State.COMPLETE) -> Trial:
    evaluations = [
        Evaluation(step, float(step), {"score": score}, 1.0, None, None, 0.0) for step, score in enumerate(curve, 1)
    ]
    return Trial(number=number, params=params, asked=0.0, state=state, evaluations=evaluations)  # type: ignore[arg-type]


def climb(searcher: Searcher, trials: int) -> History:
    history = History()
    for number in range(trials):
        params = searcher.propose(history)
        history.trials.append(trial(number, params, hill(params)))  # type: ignore[arg-type]
    return history


def late_score(name: str, trials: int = 40, seeds: int = 3, space: Space = HILL) -> float:
    """Mean of what is proposed once the model has had its start."""
    return float(np.mean([scores(name, trials, seed, space)[trials // 2 :] for seed in range(seeds)]))


def best_score(name: str, trials: int = 30, seeds: int = 3, space: Space = HILL) -> float:
    return float(np.mean([max(scores(name, trials, seed, space)) for seed in range(seeds)]))


def scores(name: str, trials: int, seed: int, space: Space) -> list[float]:
    searcher = build_searcher(name, space=space, objective=SCORE, seed=seed)
    return [hill(one.params) for one in climb(searcher, trials).trials]  # type: ignore[arg-type]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", sorted(SEARCHERS))
def test_every_searcher_keeps_the_contract(name: str, check: Callable[[Build], None]) -> None:
    check(lambda **given: build_searcher(name, **given))


@pytest.mark.parametrize("name", LEARN)
def test_what_learns_comes_closer_to_the_top_than_chance(name: str) -> None:
    """The Gaussian process looks far afield to the end, and finds the best; the others draw near to it with all."""
    score = best_score if name in ("gaussian_process", "tpe") else late_score
    assert score(name) > 0.75 * score("random", seeds=20)


class Broker:
    """Breaks one promise at a time."""

    def __init__(self, fault: str, space: Space, objective: Objective, seed: int) -> None:
        self.fault, self.space, self.seed, self.asked = fault, space, seed, 0

    def propose(self, history: History) -> dict[str, object]:
        self.asked += 1
        seed = [0 if self.fault == "seed" else self.seed, len(history.trials)]
        space = Space(self.space.parameters) if self.fault == "constraint" else self.space
        seed += [self.asked] if self.fault == "memory" else []
        params: dict[str, object] = dict(sample(space, np.random.default_rng(seed)))
        if self.fault == "numpy" and "rate" in params:
            params["rate"] = np.float64(params["rate"])  # type: ignore[arg-type]
        if self.fault == "bounds" and "share" in params:
            params["share"] = 0.6
        if self.fault == "condition" and "kind" in params:
            params["depth"] = 1
        if self.fault == "broken trial":
            min(one.evaluations[-1].step for one in history.trials)
        if self.fault == "direction" and any(one.evaluations and "loss" in one.evaluations[0].metrics
                                             for one in history.trials):  # fmt: skip
            return dict(sample(space, np.random.default_rng(7)))
        return params


FAULTS = ("seed", "memory", "numpy", "bounds", "condition", "constraint", "broken trial", "direction")


@pytest.mark.parametrize("fault", FAULTS)
def test_the_contract_finds_a_broken_promise(fault: str) -> None:
    def run_all() -> None:
        for check in CHECKS:
            check(lambda **given: Broker(fault, **given))  # type: ignore[arg-type]

    with pytest.raises((Broken, ValueError, IndexError)):
        run_all()


def test_a_parameter_of_unequal_effect_is_seen_through_the_densities() -> None:
    """Good points at 0.3 and any height: the density rises there and is flat across."""
    random = np.random.default_rng(0)
    points = np.column_stack([np.full(20, 0.3) + 0.02 * random.standard_normal(20), random.random(20)])
    density_of_points = fit(points, np.array([0, 0]))
    near, far = density_of_points.log_density(np.array([[0.3, 0.5], [0.8, 0.5]]))
    assert near - far > 2
    flat = density_of_points.log_density(np.array([[0.3, 0.2], [0.3, 0.8]]))
    assert abs(flat[0] - flat[1]) < 1


@pytest.mark.parametrize("cells", [0, 4])
def test_a_density_integrates_to_one_and_is_drawn_from_as_it_says(cells: int) -> None:
    points = np.array([[0.125], [0.625], [0.875], [np.nan]])
    parzen = fit(points, np.array([cells]))
    grid = (np.arange(2000)[:, None] + 0.5) / 2000
    density_at = np.exp(parzen.log_density(grid))
    assert density_at.mean() == pytest.approx(1, abs=0.01)
    drawn = parzen.sample(np.random.default_rng(0), 20_000)
    bins = cells or 20  # within the cell of a choice it is drawn at the middle
    expected = density_at.reshape(bins, -1).mean(axis=1) / bins
    assert np.histogram(drawn, bins=bins, range=(0, 1))[0] / 20_000 == pytest.approx(expected, abs=0.01)


def test_kernels_reach_to_the_farther_neighbour_and_are_never_too_narrow() -> None:
    """Without a bound of one's own it is 1 / (kernels + 1), the flat one among them (Watanabe 2023, magic clipping)."""
    points = np.array([[0.6], [0.1], [0.2]])
    assert gaps(points, None).ravel() == pytest.approx([0.4, 0.2, 0.4])
    assert gaps(points, 0.05).ravel() == pytest.approx([0.4, 0.1, 0.4])
    assert gaps(points[:1], None).ravel() == pytest.approx([0.6])


@pytest.mark.parametrize("name", ["tpe", "prior_band"])
def test_a_trial_that_was_early_at_a_rung_is_not_good_for_having_passed(name: str) -> None:
    """Ten of x below 0.5 ran to the end; fifty from 0.5 to 1 were stopped at the first rung. The score is x."""
    space = Space({"x": Parameter(Uniform(0.0, 1.0))})
    xs = [*np.linspace(0, 0.45, 10), *np.linspace(0.5, 1, 50)]
    curves = [[x] * (9 if x < 0.5 else 1) for x in xs]
    trials = [trial(number, {"x": x}, *curves[number], state=State.PRUNED) for number, x in enumerate(xs)]
    history = History(trials=trials)
    proposed = [
        build_searcher(name, space=space, objective=SCORE, seed=seed, rungs=(1, 3, 9)).propose(history)["x"]
        for seed in range(20)
    ]
    assert np.median(proposed) > 0.75  # type: ignore[arg-type]


def test_a_point_without_a_parameter_says_nothing_of_it() -> None:
    points = np.array([[0.2, 0.9], [0.25, np.nan]])
    parzen = fit(points, np.array([0, 0]))
    assert np.isfinite(parzen.log_density(np.array([[0.2, np.nan], [0.2, 0.5]]))).all()


def test_trials_are_ranked_by_how_far_they_came_and_broken_ones_last() -> None:
    history = History(
        trials=[
            trial(0, {"x": 0.1}, 0.1, 0.2, state=State.PRUNED),
            trial(1, {"x": 0.2}, 0.1, 0.2, 0.3),
            trial(2, {"x": 0.3}, 0.9, math.nan, state=State.DIVERGED),
            trial(3, {"x": 0.4}, 0.8, state=State.PRUNED),
            trial(4, {"x": 0.5}, state=State.FAILED),
            trial(5, {"x": 0.6}, 0.1, 0.5, 0.4),
            trial(6, {"x": 0.7}, 0.6, state=State.PAUSED),
        ]
    )
    space = Space({"x": Parameter(Uniform(0.0, 1.0))})
    by_length, by_rungs = Observations(space, SCORE), Observations(space, SCORE, rungs=(1, 3))
    for seen in (by_length, by_rungs):
        seen.update(history)
    assert by_length.ranked().tolist() == [5, 1, 0, 3, 6, 2, 4]
    assert by_rungs.ranked(enough=2).tolist() == [5, 1, 0, 3, 6, 2, 4]
    assert by_length.ranked_by_score().tolist() == [3, 6, 5, 1, 0, 2, 4]
    assert by_rungs.ranked(enough=3).tolist() == [2, 3, 6, 0, 1, 5, 4], "only the first rung has three results"


def test_the_arrays_are_a_fold_whatever_was_asked_between() -> None:
    """Kept up to date at every ask, or made at once at the end: the same, also where a report was taken back."""
    kept = Observations(SPACE, SCORE, rungs=(1, 2))
    random = np.random.default_rng(0)

    def propose(history: History) -> dict[str, object]:
        kept.update(history)
        return dict(sample(SPACE, random))

    for history in asks(propose, SPACE, SCORE, 40):  # type: ignore[arg-type]
        running = [one for one in history.trials if one.state is State.RUNNING and one.evaluations]
        if running and len(history.trials) % 5 == 0:  # lost with its last checkpoint, and started again
            running[0].evaluations.pop()
            running[0].attempt += 1
        anew = Observations(SPACE, SCORE, rungs=(1, 2))
        anew.update(history)
        kept.update(history)
        for one, other in ((kept.shares, anew.shares), (kept.results, anew.results), (kept.standing, anew.standing)):
            assert np.array_equal(one, other, equal_nan=True)
        assert kept.ranked().tolist() == anew.ranked().tolist() and kept.seen == anew.seen


class TestBOHB:
    """Falkner et al. 2018, and the code that came with it."""

    def test_a_result_counts_at_every_rung_that_it_reached(self) -> None:
        going_on = trial(0, {}, 0.1, 0.5, 0.4, 0.3, state=State.RUNNING)
        assert results_of(going_on, SCORE, (1, 3, 9)) == pytest.approx([0.1, 0.5, math.nan], nan_ok=True)
        at_its_own_end = trial(0, {}, 0.1, 0.5)
        assert results_of(at_its_own_end, SCORE, (1, 3, 9)) == [0.1, 0.5, 0.5]
        assert results_of(trial(0, {}, math.nan, 0.2), SCORE, (1, 3)) == pytest.approx([math.nan, 0.2], nan_ok=True)

    def test_the_model_is_of_the_largest_budget_with_enough_results(self) -> None:
        """d = 1, so 4 are enough: good at epoch 1 is 0.9, at epoch 3 it is 0.1."""
        space = Space({"x": Parameter(Uniform(0.0, 1.0))})
        history = History()
        for number in range(40):
            x = (number + 0.5) / 40
            late = number % 4 == 0
            history.trials.append(trial(number, {"x": x}, *((x, x, 2 - x) if late else (x,)), state=State.PRUNED))
        settings = {"space": space, "objective": SCORE, "random_fraction": 0.0}
        of_three = [build_searcher("bohb", seed=s, rungs=(1, 3), **settings).propose(history)["x"] for s in range(20)]  # type: ignore[arg-type]
        of_one = [build_searcher("bohb", seed=s, rungs=(1,), **settings).propose(history)["x"] for s in range(20)]  # type: ignore[arg-type]
        assert np.median(of_three) < 0.3 < 0.7 < np.median(of_one)  # type: ignore[arg-type]

    def test_one_in_five_is_drawn_at_random(self) -> None:
        history = climb(build_searcher("random", space=HILL, objective=SCORE, seed=0), 60)
        alike = 0
        for seed in range(300):
            model, random = (
                build_searcher("bohb", space=HILL, objective=SCORE, seed=seed, **settings).propose(history)
                for settings in ({}, {"random_fraction": 1.0})
            )
            alike += model == random
        assert 0.13 < alike / 300 < 0.27

    def test_bandwidths_follow_the_normal_reference_rule(self) -> None:
        points = np.array([[0.1, 0.25], [0.4, 0.75], [0.9, 0.25], [0.3, 0.25]])
        found = density(points, np.array([0, 2])).bandwidths
        expected = 1.06 * points[:, 0].std() * 4 ** (-1 / 6)
        assert found[0] == pytest.approx(expected)
        assert found[1] == pytest.approx(min(1.06 * (points[:, 1] * 2).std() * 4 ** (-1 / 6), 0.5))

    def test_gaps_are_filled_from_other_points(self) -> None:
        points = np.array([[0.1, np.nan, np.nan], [0.2, 0.5, 0.6], [0.3, 0.7, 0.8]])
        whole = filled(points, np.zeros(3, dtype=np.int64), np.random.default_rng(0))
        assert whole[0, 1:].tolist() in ([0.5, 0.6], [0.7, 0.8]) and np.array_equal(whole[1:], points[1:])
        none = filled(np.full((2, 1), np.nan), np.array([3]), np.random.default_rng(0))
        assert set(none.ravel()) <= {1 / 6, 0.5, 5 / 6}


class TestPriors:
    @staticmethod
    def space(rate: float, share: float, kind: str) -> Space:
        priors = {"rate": Prior(rate), "share": Prior(share), "kind": Prior(kind)}
        return Space({name: Parameter(HILL[name].domain, prior=priors[name]) for name in HILL})

    @pytest.mark.parametrize("name", ["tpe", "bohb", "prior_band"])
    def test_the_centre_is_tried_first(self, name: str) -> None:
        space = self.space(1e-3, 0.3, "good")
        history = climb(build_searcher(name, space=space, objective=SCORE, seed=0), 3)
        assert hill(history.trials[0].params) == pytest.approx(0)  # type: ignore[arg-type]
        assert history.trials[1].params != history.trials[0].params

    @pytest.mark.parametrize("name", ["tpe", "bohb"])
    def test_a_good_prior_is_followed_and_a_wrong_one_is_not(self, name: str) -> None:
        """In twenty trials: after forty the model knows as much as the prior does."""
        good, wrong = self.space(1e-3, 0.3, "good"), self.space(1e-5, 1.0, "worse")
        plain, by_good, by_wrong = (late_score(name, trials=20, seeds=6, space=space) for space in (HILL, good, wrong))
        assert by_good > plain
        assert by_wrong > 1.3 * plain, "scores are negative: not much worse than without"

    def test_belief_follows_the_evidence(self) -> None:
        falling = np.arange(12, 0, -1.0)
        assert belief(falling) == pytest.approx(1 - 2 * (13 / (12 * 4 * 8)) ** 0.5), "4 of 12 are good, all above"
        assert belief(falling[::-1]) == belief(np.ones(12)) == 0
        assert belief(falling[:4]) < belief(np.repeat(falling, 5))

    def test_random_search_takes_no_notice(self) -> None:
        with_prior = build_searcher("random", space=self.space(1e-3, 0.3, "good"), objective=SCORE, seed=0)
        assert (
            climb(with_prior, 5).trials
            == climb(build_searcher("random", space=HILL, objective=SCORE, seed=0), 5).trials
        )


def test_near_the_best_without_any_prior_beats_chance() -> None:
    assert late_score("prior_band") > 0.7 * late_score("random")


class TestGrid:
    SPACE = Space(
        {
            "kind": Parameter(Choice(("tree", "line"))),
            "depth": Parameter(Integer(1, 3), when=(("kind", ("tree",)),)),
            "rate": Parameter(LogUniform(1e-4, 1.0)),
        }
    )

    def test_every_combination_comes_once(self) -> None:
        searcher = build_searcher("grid", space=self.SPACE, objective=SCORE, seed=0)
        history = History()
        for number in range(20):
            history.trials.append(trial(number, searcher.propose(history)))  # type: ignore[arg-type]
        found = {tuple(sorted(one.params.items())) for one in history.trials}
        assert len(found) == 3 * 5 + 5, "trees of three depths, and lines, at five rates"
        assert sorted({one.params["rate"] for one in history.trials}) == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1.0])

    def test_a_grid_of_millions_is_refused(self) -> None:
        space = Space({str(number): Parameter(Uniform(0.0, 1.0)) for number in range(10)})
        with pytest.raises(ValueError, match="a grid of 9,765,625 combinations is more than 1,000,000"):
            build_searcher("grid", space=space, objective=SCORE, seed=0)


def test_quasi_random_points_leave_no_gap() -> None:
    """256 points in a square: each of its 256 cells has one."""
    space = Space({"x": Parameter(Uniform(0.0, 1.0)), "y": Parameter(Uniform(0.0, 1.0))})
    history = History()
    searcher = build_searcher("quasi_random", space=space, objective=SCORE, seed=0)
    for number in range(256):
        history.trials.append(trial(number, searcher.propose(history)))  # type: ignore[arg-type]
    cells = {(int(one.params["x"] * 16), int(one.params["y"] * 16)) for one in history.trials}  # type: ignore[operator]
    assert len(cells) == 256


class TestPoints:
    POINTS = ({"rate": 1e-3, "share": 0.3, "kind": "good"}, {"kind": "bad"})

    def test_each_is_tried_once_and_what_it_leaves_open_is_drawn(self) -> None:
        searcher = build_searcher("tpe", space=HILL, objective=SCORE, seed=0, points=self.POINTS)
        trials = climb(searcher, 6).trials
        assert trials[0].params == self.POINTS[0]
        assert trials[1].params["kind"] == "bad" and trials[1].params.keys() == HILL.keys()
        assert trials[0].params not in [one.params for one in trials[1:]]

    def test_none_comes_again_after_a_crash(self) -> None:
        history = climb(build_searcher("tpe", space=HILL, objective=SCORE, seed=0, points=self.POINTS), 6)
        for cut in range(6):
            anew = build_searcher("tpe", space=HILL, objective=SCORE, seed=0, points=self.POINTS)
            assert anew.propose(History(trials=history.trials[:cut])) == history.trials[cut].params


def test_a_searcher_of_ones_own_is_named_by_its_module(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "my_search.py").write_text(
        "from random import Random\nfrom hpo.space import sample\n\n"
        "class MySearch:\n"
        "    def __init__(self, *, space, objective, seed, boldness: float = 0.5):\n"
        "        self.space, self.objective, self.seed, self.boldness = space, objective, seed, boldness\n\n"
        "    def propose(self, history):\n"
        "        return sample(self.space, Random(f'{self.seed}/{len(history.trials)}'))\n"
    )
    study = (
        "study: own\ntrainable: tests.toy:epochs\nobjective: {maximize: score}\nsearch_space: {x: {uniform: [0, 1]}}\n"
    )
    (folder / "own.yaml").write_text(study + "search: {searcher: {my_search:MySearch: {boldness: 0.7}}, trials: 3}\n")
    searcher = load_study(folder / "own.yaml").build_searcher()
    assert searcher.boldness == 0.7  # type: ignore[attr-defined]
    for check in CHECKS:
        check(searcher_class("my_search:MySearch"))


def test_rows_of_choices_are_told_from_numbers() -> None:
    assert choices(HILL).tolist() == [0, 0, 3]

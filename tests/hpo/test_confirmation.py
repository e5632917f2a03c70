"""The statistics of a confirmation, against scipy, by hand and by their laws; a small simulation with known truth."""

from itertools import combinations
from statistics import fmean, stdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from benchmarks.confirmation import studies
from hpo.confirmation import Finalist, best_of_search, choice, confirmation, interval, ranked
from hpo.history import Evaluation, History, State, Trial
from hpo.noise_floor import expected_gain, floor, mean_of_best, seed_noise
from hpo.objective import Objective

SCORE, LOSS = Objective(maximize="score"), Objective(minimize="score")
scores = st.floats(-100, 100).map(lambda value: round(value, 3))


def ended(number: int, score: float, seconds: float = 10.0, state: State = State.COMPLETE, **of: int) -> Trial:
    report = Evaluation(
        step=1, epoch=1.0, metrics={"score": score}, seconds=seconds, checkpoint=None, diverged=None, time=0.0
    )
    return Trial(number=number, params={}, asked=0.0, state=state, evaluations=[report], **of)


def confirming(
    found: list[list[float]], seconds: list[float] | None = None, search: list[float] | None = None
) -> History:
    """Finalists 0, 1, 2 ... with these scores of seeds 1, 2, 3 ..."""
    history = History(searched="all trials ended", finalists=[*range(len(found))], seeds=[*range(1, len(found[0]) + 1)])
    took = seconds or [10.0] * len(found)
    for number, row in enumerate(found):
        history.trials.append(ended(number, (search or [fmean(row) + 1 for row in found])[number]))
        for seed, score in zip(history.seeds, row, strict=True):
            history.repeats.append(ended(len(history.repeats), score, took[number], confirms=number, seed=seed))
    return history


@settings(deadline=None, max_examples=50)
@given(st.lists(scores, min_size=2, max_size=12))
def test_an_interval_is_that_of_scipy(values: list[float]) -> None:
    found, error = interval(values), stats.sem(values)
    assert found.mean == pytest.approx(fmean(values)) and found.error == pytest.approx(error, abs=1e-9)
    if error > 0:
        low, high = stats.t.interval(0.95, len(values) - 1, loc=fmean(values), scale=error)
        assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    else:
        assert found.low == found.high


def test_three_seeds_by_hand() -> None:
    """Mean 80, sd 2; t of two degrees of freedom is 4.3027: 80 +- 4.3027 * 2 / sqrt(3)."""
    found = interval([78.0, 80.0, 82.0])
    assert (found.low, found.high) == (pytest.approx(75.0317, abs=1e-4), pytest.approx(84.9683, abs=1e-4))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(scores, min_size=3, max_size=3), min_size=2, max_size=5), st.sampled_from([SCORE, LOSS]))
def test_the_distance_to_the_best_mean_is_scipys_paired_one(found: list[list[float]], objective: Objective) -> None:
    judged = confirmation(confirming(found), objective)
    assert judged is not None
    best, *others = judged.finalists
    for one in others:
        assert one.behind is not None and one.behind.mean >= -1e-9
        pairs = [objective.sign * (a - b) for a, b in zip(best.scores, one.scores, strict=True)]  # type: ignore[operator]
        if stdev(pairs) > 1e-6:
            tested = stats.ttest_rel(*([objective.sign * v for v in of.scores] for of in (best, one)))  # type: ignore[operator]
            within = tested.confidence_interval(0.95)
            assert (one.behind.low, one.behind.high) == (pytest.approx(within.low), pytest.approx(within.high))


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.lists(scores, min_size=3, max_size=3), min_size=1, max_size=5), st.integers(-5, 5), st.integers(1, 9)
)
def test_another_unit_of_the_score_changes_no_choice(found: list[list[float]], shift: int, scale: int) -> None:
    moved = [[scale * score + shift for score in row] for row in found]
    here, there = confirmation(confirming(found), SCORE), confirmation(confirming(moved), SCORE)
    assert here is not None and there is not None
    means = sorted(fmean(row) for row in found)
    if all(high - low > 1e-6 for low, high in zip(means, means[1:], strict=False)):
        assert here.chosen == there.chosen
        mirrored = confirmation(confirming([[-score for score in row] for row in found]), LOSS)
        assert mirrored is not None and mirrored.chosen == here.chosen


def test_what_all_seeds_do_alike_is_taken_away() -> None:
    """Seed 3 costs both ten points: each alone is uncertain, that the first is better is not."""
    judged = confirmation(confirming([[80.0, 81.0, 70.0], [79.0, 79.9, 69.1]]), SCORE)
    assert judged is not None and judged.chosen == 0 and judged.alike == ()
    first, second = judged.finalists
    assert first.confirmed and second.confirmed and first.confirmed.low < second.confirmed.mean


def test_the_gap_is_what_the_search_promised_too_much() -> None:
    judged = confirmation(confirming([[80.0, 81.0, 82.0], [70.0, 71.0, 72.0]], search=[85.0, 90.0]), SCORE)
    assert judged is not None and judged.winner is not None
    assert (judged.chosen, judged.winner.optimism) == (0, 4.0)
    assert judged.as_json()["optimism"] == 4.0 and judged.as_json()["confirmed"]["mean"] == 81.0
    losses = confirmation(confirming([[0.30, 0.31, 0.32]], search=[0.25]), LOSS)
    assert losses is not None and losses.winner is not None and losses.winner.optimism == pytest.approx(0.06)


def test_of_finalists_within_one_standard_error_the_clearly_cheaper_one_is_chosen() -> None:
    found = [[80.0, 82.0, 78.0], [79.0, 78.0, 82.5]]  # 80 and 79.83: alike
    assert confirmation(confirming(found, seconds=[100.0, 50.0]), SCORE).chosen == 1  # type: ignore[union-attr]
    assert confirmation(confirming(found, seconds=[100.0, 95.0]), SCORE).chosen == 0  # type: ignore[union-attr]
    assert confirmation(confirming(found, seconds=[0.02, 0.01]), SCORE).chosen == 0  # type: ignore[union-attr]
    judged = confirmation(confirming(found, seconds=[100.0, 50.0]), SCORE)
    assert judged is not None and judged.cheapest and judged.alike == (1,)


def test_a_finalist_that_cannot_be_told_apart_but_lies_far_behind_is_not_chosen_for_its_price() -> None:
    judged = confirmation(confirming([[80.0, 84.0, 76.0], [77.0, 75.5, 76.0]], seconds=[100.0, 1.0]), SCORE)
    assert judged is not None and judged.alike == (1,) and judged.chosen == 0


def test_nothing_is_chosen_while_a_run_is_to_come() -> None:
    history = confirming([[80.0, 81.0, 82.0], [79.0, 79.0, 79.0]])
    history.repeats[-1].state = State.RUNNING
    judged = confirmation(history, SCORE)
    assert judged is not None and judged.pending == 1 and judged.chosen is None


def test_a_finalist_without_all_its_seeds_is_ranked_last_whatever_its_others() -> None:
    history = confirming([[99.0, 99.0, 99.0], [79.0, 78.0, 80.0]])
    history.repeats[1].state = State.DIVERGED
    judged = confirmation(history, SCORE)
    assert judged is not None and judged.chosen == 1
    assert judged.finalists[-1].trial == 0 and judged.finalists[-1].confirmed is None


def test_equal_means_stay_in_the_order_of_the_search() -> None:
    one = Finalist(
        trial=4,
        search=1.0,
        scores=(1.0, 1.0),
        confirmed=interval([1.0, 1.0]),
        optimism=0.0,
        behind=None,
        seconds=1.0,
        reason="",
    )
    other = Finalist(**{**vars(one), "trial": 2})
    assert choice(ranked([one, other], SCORE)) == 4


def test_finalists_are_the_best_regular_trials_and_of_equals_the_earlier() -> None:
    trials = [ended(0, 1.0), ended(1, 3.0, state=State.DIVERGED), ended(2, 2.0, state=State.PRUNED), ended(3, 2.0)]
    assert best_of_search(History(trials=trials), SCORE, 3) == [2, 3, 0]
    assert best_of_search(History(trials=trials), LOSS, 2) == [0, 2]


@settings(deadline=None, max_examples=50)
@given(st.lists(scores, min_size=2, max_size=8), st.data())
def test_the_mean_of_the_best_is_that_over_all_choices(values: list[float], data: st.DataObject) -> None:
    count = data.draw(st.integers(1, len(values)))
    by_hand = fmean(max(chosen) for chosen in combinations(values, count))
    assert mean_of_best(values, count) == pytest.approx(by_hand, abs=1e-9)


@settings(deadline=None, max_examples=50)
@given(st.lists(scores, min_size=3, max_size=20), st.integers(1, 40))
def test_the_bound_on_the_gain_never_shrinks_with_more_trials_ahead(values: list[float], ahead: int) -> None:
    assert -1e-9 <= expected_gain(values, ahead) <= expected_gain(values, ahead + 1) + 1e-9


def test_the_noise_is_the_deviation_of_all_runs_of_the_first_whole_trial() -> None:
    history = History(trials=[ended(0, 5.0, state=State.PRUNED), ended(1, 80.0)])
    history.ended = [*history.trials]
    assert seed_noise(history, SCORE) is None
    history.repeats = [ended(n, score, confirms=1, seed=n) for n, score in enumerate([82.0, 78.0, 84.0])]
    assert seed_noise(history, SCORE) == pytest.approx(stdev([80.0, 82.0, 78.0, 84.0]))
    history.repeats[0].state = State.RUNNING
    assert seed_noise(history, SCORE) is None


def test_a_search_ends_at_its_noise_and_never_before_ten_scores() -> None:
    history = History(trials=[ended(n, 80.0 + 0.01 * n) for n in range(9)])
    history.ended = [*history.trials]
    history.repeats = [ended(n, 80.0 + n, confirms=0, seed=n) for n in range(1, 4)]
    assert floor(history, SCORE, 30) is None
    history.trials.append(ended(9, 80.0))
    history.ended.append(history.trials[-1])
    found = floor(history, SCORE, 30)
    assert found is not None and (found.ahead, found.trials) == (20, 10) and found.gain < found.noise
    history.trials[3].evaluations[0].metrics["score"] = 95.0  # one that stands out: more such may come
    history.trials[3].forget_after(1)
    assert floor(history, SCORE, 30) is None
    assert floor(history, SCORE, 10) is None  # nothing is left to be tried


def test_simulated_intervals_cover_the_truth_and_the_choice_is_better_than_luck() -> None:
    """300 studies: a share that should be .95 has a standard error of .013; benchmarks/confirmation.py has 1,000."""
    many = [*studies(300, "normal", 24, 3, 3)]
    assert 0.91 < fmean(inside for one in many for inside in one.covered) < 0.99
    assert 0.91 < fmean(one.covered_chosen for one in many) < 0.99
    assert 0.91 < fmean(inside for one in many for inside in one.covered_pairs) < 0.99
    assert sum(one.regret for one in many) <= 0.5 * sum(one.regret_peer for one in many)
    assert fmean(one.optimism for one in many) > 0

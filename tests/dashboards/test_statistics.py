"""How sure: intervals, importances, verdicts on ranges, and what is to be doubted."""

from dataclasses import replace
from math import nan
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, f1_score

from dashboards import answer, doubts, importance, interval, verdicts
from dashboards.importance import Importance
from dashboards.study import Parameter, StudyData
from tests.dashboards.made import DROPOUT, LEARNING_RATE, OPTIMIZER, searched, study

CONFUSION = [[80, 20, 0], [10, 60, 30], [0, 5, 45]]
CELLS = interval.cells_of({"confusion": CONFUSION})


def rows_of(confusion: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Truth and prediction of each row."""
    cells = np.array(confusion)
    truth, said = np.indices(cells.shape).reshape(2, -1)
    return np.repeat(truth, cells.ravel()), np.repeat(said, cells.ravel())


@pytest.mark.parametrize("metric", ["accuracy", "f1_macro", "f1_weighted", "recall_macro", "mcc", "precision_macro"])
def test_the_interval_holds_the_score_itself(metric: str) -> None:
    found = interval.bootstrap(CELLS, metric)
    truth, said = rows_of(CONFUSION)
    assert found and found.rows == 250
    assert found.low < interval._metrics()[metric](truth, said) < found.high


def test_drawing_cells_is_drawing_rows() -> None:
    """The same quantiles as a bootstrap that really draws rows, up to the noise of 400 samples."""
    truth, said = rows_of(CONFUSION)
    random = np.random.default_rng(1)
    drawn = [random.integers(len(truth), size=len(truth)) for _ in range(400)]
    scores = [f1_score(truth[rows], said[rows], average="macro") for rows in drawn]
    found = interval.bootstrap(CELLS, "f1_macro")
    assert found and (found.low, found.high) == pytest.approx(np.quantile(scores, (0.025, 0.975)), abs=0.015)


def test_the_interval_of_an_accuracy_is_as_wide_as_its_standard_error_says() -> None:
    found = interval.bootstrap(interval.cells_of({"confusion": [[450, 50], [50, 450]]}), "accuracy")
    assert found and (found.high - found.low) / 2 == pytest.approx(1.96 * (0.9 * 0.1 / 1000) ** 0.5, rel=0.15)


def test_there_is_no_interval_for_what_classes_do_not_tell() -> None:
    assert interval.bootstrap(CELLS, "loss") is None
    assert interval.bootstrap([], "accuracy") is None
    assert interval.bootstrap(interval.cells_of({"confusion": [[7]]}), "f1_macro") is None


def test_of_folds_the_interval_is_of_the_mean_over_them() -> None:
    """Where a class is rare in each fold, the macro score of all rows together would lie elsewhere."""
    random = np.random.default_rng(5)
    truth = random.choice(4, size=200, p=[0.55, 0.35, 0.06, 0.04])
    said = np.where(random.random(200) < 0.7, truth, random.integers(4, size=200))
    fold = np.arange(200) % 5
    cells = [
        np.stack([*(counted := confusion_matrix(truth[fold == one], said[fold == one], labels=range(4))).nonzero(),
                  counted[counted.nonzero()]], axis=1)
        for one in range(5)
    ]  # fmt: skip
    means = []
    for _ in range(400):
        drawn = [random.choice(np.flatnonzero(fold == one), size=40) for one in range(5)]
        means.append(np.mean([f1_score(truth[rows], said[rows], average="macro") for rows in drawn]))
    told = {"folds": [{"rows": 40, "confusion": one.tolist()} for one in cells]}
    found = interval.bootstrap(interval.cells_of(told), "f1_macro")
    assert found and found.rows == 200
    assert (found.low, found.high) == pytest.approx(np.quantile(means, (0.025, 0.975)), abs=0.02)


def test_sealed_rows_tell_their_confusion_and_numbers_none() -> None:
    sealed = {"labels": ["a", "b"], "targets": [0, 0, 1], "predictions": [0, 1, 1]}
    [cells] = interval.cells_of(sealed)
    assert cells.tolist() == [[0, 0, 1], [0, 1, 1], [1, 1, 1]]
    assert interval.cells_of({"labels": [], "targets": [0.5], "predictions": [0.4]}) == []


def test_the_answer_counts_the_trials_that_its_interval_cannot_tell_apart() -> None:
    score = float(f1_score(*rows_of(CONFUSION), average="macro"))
    made = study({DROPOUT: [0.1] * 3}, [[score], [score - 0.001], [score - 0.4]], metric="f1_macro",
                 evaluation={"confusion": CONFUSION})  # fmt: skip
    found = answer.data(made)
    assert found and (found.trial, found.value, found.alike, found.seeds) == (0, score, 1, 1)
    least = study({DROPOUT: [0.1] * 3}, [[score], [score + 0.001], [score + 0.4]], metric="f1_macro",
                  higher_is_better=False, evaluation={"confusion": CONFUSION})  # fmt: skip
    assert (found := answer.data(least)) and (found.trial, found.alike) == (0, 1)


def test_the_parameter_that_decides_is_the_most_important_and_a_dead_one_is_flat() -> None:
    found = importance.data(searched(150))
    assert found is not None and found.believable
    assert found.frame["parameter"].iloc[0] == "learning_rate"
    by_name = found.frame.set_index("parameter")
    assert by_name["low"]["learning_rate"] > 0.2 and by_name["high"]["optimizer"] < 0.05


def test_noise_explains_nothing_and_is_not_believed() -> None:
    random = np.random.default_rng(3)
    shares = {DROPOUT: [*random.random(80)], LEARNING_RATE: [*random.random(80)]}
    found = importance.data(study(shares, [[float(value)] for value in random.random(80)]))
    assert found is not None and not found.believable
    assert verdicts.data(study(shares, [[0.1]] * 80), found)[0].kind in ("keep", "widen_low", "widen_high")


def test_importance_is_the_same_each_time_and_silent_on_few_or_equal_trials() -> None:
    one, two = importance.data(searched(30)), importance.data(searched(30))
    assert one is not None and two is not None and one.frame.equals(two.frame)
    assert importance.data(searched(importance.FEWEST - 1)) is None
    assert importance.data(study({DROPOUT: [*np.linspace(0, 1, 20)]}, [[0.5]] * 20)) is None


def test_more_trials_narrow_the_intervals() -> None:
    few, many = importance.data(searched(40)), importance.data(searched(250))
    assert few is not None and many is not None
    widths = [float((found.frame["high"] - found.frame["low"]).mean()) for found in (few, many)]
    assert widths[1] < 0.7 * widths[0]


def certain(**decides: tuple[float, float]) -> Importance:
    frame = pd.DataFrame([(name, low, low, high) for name, (low, high) in decides.items()],
                         columns=["parameter", "importance", "low", "high"])  # fmt: skip
    return Importance(frame=frame, explained=0.9, trials=100)


def around(best: float, count: int = 40) -> StudyData:
    """Trials evenly over the dropout, the better the nearer to `best`."""
    shares = [*np.linspace(0, 1, count)]
    return study({DROPOUT: shares}, [[1 - abs(share - best)] for share in shares])


@pytest.mark.parametrize(
    ("best", "decides", "kind"),
    [
        (0.5, (0.2, 0.9), "narrow"),
        (0.5, (0.0, 0.9), "keep"),
        (0.5, (-0.1, 0.01), "freeze"),
        (1.0, (0.2, 0.9), "widen_high"),
        (1.0, (0.0, 0.9), "widen_high"),
        (0.0, (0.2, 0.9), "narrow"),  # its low end is 0, a natural border
    ],
)
def test_a_range_is_judged_by_where_the_good_trials_lie(best: float, decides: tuple[float, float], kind: str) -> None:
    [verdict] = verdicts.data(around(best), certain(dropout=decides))
    assert verdict.kind == kind
    if kind == "narrow":
        assert verdict.low <= best <= verdict.high and verdict.high - verdict.low < 0.6
    if kind == "widen_high":
        assert verdict.high == 1.5 and (verdict.low > 0.5) == (decides[0] > 0)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(-1, 1)), min_size=10, max_size=25))
@settings(max_examples=40, deadline=None)
def test_the_winner_stays_inside_whatever_is_said_of_a_range(trials: list[tuple[float, float]]) -> None:
    made = study({LEARNING_RATE: [share for share, _ in trials]}, [[value] for _, value in trials])
    assert made.winner is not None
    for decides in ((0.1, 0.9), (0.0, 0.5), (-0.1, 0.0)):
        [verdict] = verdicts.data(made, certain(learning_rate=decides))
        assert verdict.low <= trials[made.winner][0] <= verdict.high
        assert verdict.kind == "freeze" or verdict.high - verdict.low >= verdicts.NARROWEST - 1e-9


def test_an_end_at_one_is_a_natural_border() -> None:
    momentum = Parameter(name="momentum", scale="linear", low=0.5, high=1.0)
    shares = [*np.linspace(0, 1, 20)]
    [verdict] = verdicts.data(study({momentum: shares}, [[share] for share in shares]), None)
    assert verdict.kind == "keep"


def test_a_choice_loses_what_was_tried_often_and_never_good() -> None:
    shares = [0.1, 0.5, 0.9] * 6
    better = study(
        {OPTIMIZER: shares}, [[{0.1: 0.9, 0.5: 0.8, 0.9: 0.1}[share] + 0.001 * n] for n, share in enumerate(shares)]
    )
    [verdict] = verdicts.data(better, certain(optimizer=(0.3, 0.9)))
    assert (verdict.kind, verdict.dropped) == ("narrow", ("lion",))
    [unsure] = verdicts.data(better, certain(optimizer=(0.0, 0.9)))
    assert unsure.dropped == ()


def raised(made: StudyData, mattered: Importance | None = None) -> dict[str, dict[str, Any]]:
    found = doubts.Found(
        study=made, answer=answer.data(made), importance=mattered, verdicts=verdicts.data(made, mattered)
    )
    return {doubt.code: doubt.values for doubt in doubts.data(found)}


def test_a_leak_is_told_with_its_share_of_the_rows() -> None:
    leaks = {"report": {"leaks": {"train-valid": {"exact": 3, "near": 7}}}, "rows": {"valid": 100}}
    found = raised(study({DROPOUT: [0.5]}, [[0.5]], data=leaks))["leak"]
    assert found == {"exact": 3, "near": 7, "one": "train", "other": "valid", "share": 0.1}


def test_a_winner_at_an_edge_a_flat_parameter_and_too_few_trials_are_told() -> None:
    found = raised(around(1.0), certain(dropout=(0.2, 0.9)))
    assert found["edge_high"] == {"parameter": "dropout", "value": "0.5", "end": "0.5"}
    assert raised(around(0.5), certain(dropout=(-0.1, 0.01)))["flat"]["parameter"] == "dropout"
    assert raised(searched(12))["few_trials"] == {"trials": 12, "parameters": 3}


def test_seeds_that_move_more_than_the_lead_are_told() -> None:
    seed = Parameter(name="seed", scale="linear", low=0, high=9)
    made = study({DROPOUT: [0.1, 0.1, 0.5], seed: [0.0, 0.1, 0.0]}, [[0.5], [0.9], [0.89]])
    found = raised(made)
    assert found["unstable_seeds"]["noise"] == pytest.approx(0.2828, abs=1e-3)
    assert found["unstable_seeds"]["gap"] == pytest.approx(0.01) and "one_seed" not in found
    assert "one_seed" in raised(study({DROPOUT: [0.1]}, [[0.5]]))


def test_a_rung_whose_order_is_not_that_of_the_end_is_told() -> None:
    made = searched(30)
    assert "uninformative_rung" not in raised(made)
    random = np.random.default_rng(0)
    first = made.reports["epoch"] == 1
    shuffled = made.reports.assign(value=made.reports["value"].where(~first, random.random(len(made.reports))))
    assert raised(replace(made, reports=shuffled))["uninformative_rung"]["rung"] == "1"


@pytest.mark.parametrize(
    ("curves", "states", "code"),
    [
        ([[0.1, 0.2, 0.3]], ["COMPLETE"], "still_rising"),
        ([[0.1, 0.3, 0.2]], ["COMPLETE"], "fell"),
        ([[0.1], [nan], [nan]], ["COMPLETE", "DIVERGED", "DIVERGED"], "often_diverged"),
        ([[0.1], [], []], ["COMPLETE", "FAILED", "FAILED"], "often_failed"),
        ([[], []], ["FAILED", "FAILED"], "no_winner"),
    ],
)
def test_what_became_of_the_trials_is_told(curves: list[list[float]], states: list[str], code: str) -> None:
    calm = ("still_rising", "fell", "often_diverged", "often_failed", "no_winner")
    found = raised(study({DROPOUT: [0.5] * len(curves)}, curves, states))
    assert [one for one in calm if one in found] == [code]


def test_a_parameter_of_one_value_and_a_rare_class_and_an_unfinished_study_are_told() -> None:
    made = study({DROPOUT: [0.5, 0.5]}, [[0.1], [0.2]], ["COMPLETE", "RUNNING"], state="interrupted",
                 data={"classes": {"valid": {"cat": 3, "dog": 50}}})  # fmt: skip
    found = raised(made)
    assert found["never_varied"] == {"parameter": "dropout"}
    assert found["rare_classes"] == {"count": 1, "label": "cat", "rows": 3, "rare": 10}
    assert found["unfinished"] == {"ended": 1, "planned": 2}

"""The statistics of promotion: the same numbers as scikit-learn, and the rates of error that are promised."""

from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from hpo.registry.gates import Measured, refusals
from hpo.registry.paired_bootstrap import compare, intervals
from hpo.study import Gates
from train_fn.metrics.ranking import ranking_metrics
from train_fn.metrics.regression import regression_metrics

LABELS = ("a", "b", "c", "d")


def answers(
    rng: np.random.Generator, rows: int, accuracy: float = 0.8, gain: float = 0.0, disagree: float = 0.1
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Champion and candidate, who is better by `gain`; exactly one is right on a share `disagree` of rows."""
    truth = rng.integers(len(LABELS), size=rows)
    worse = (disagree - gain) / 2
    draw = rng.random(rows)
    champion_alone, candidate_alone = draw < worse, (draw >= worse) & (draw < disagree)
    both = (draw >= disagree) & (draw < disagree + accuracy - worse)
    wrong = [(truth + rng.integers(1, len(LABELS), size=rows)) % len(LABELS) for _ in range(2)]
    champion = np.where(champion_alone | both, truth, wrong[0])
    candidate = np.where(candidate_alone | both, truth, wrong[1])
    shared = {"labels": LABELS, "targets": truth.tolist()}
    return {**shared, "predictions": champion.tolist()}, {**shared, "predictions": candidate.tolist()}


def rate(times: int, metric: str, rows: int, **of: float) -> float:
    rng = np.random.default_rng(0)
    return float(np.mean([compare(*answers(rng, rows, **of), metric, seed)[0].low > 0 for seed in range(times)]))


@pytest.mark.parametrize(
    ("metric", "reference"),
    [
        ("accuracy", metrics.accuracy_score),
        ("mcc", metrics.matthews_corrcoef),
        *[
            (f"{score}_{average}", lambda t, p, s=score, a=average: getattr(metrics, f"{s}_score")(t, p, average=a))
            for score, average in [("f1", "macro"), ("f1", "weighted"), ("precision", "macro"), ("recall", "macro")]
        ],
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_scores_and_f1_of_each_class_are_those_of_scikit_learn(metric: str, reference: Any) -> None:
    champion, candidate = answers(np.random.default_rng(1), 150)
    found, classes = compare(champion, candidate, metric)
    for one, said in ((found.champion, champion), (found.candidate, candidate)):
        assert one == pytest.approx(reference(said["targets"], said["predictions"]))
    assert found.low <= found.gain <= found.high
    wanted = metrics.f1_score(candidate["targets"], candidate["predictions"], average=None)
    assert [one.candidate for one in classes] == pytest.approx(wanted.tolist())
    assert [one.candidate for one in intervals(candidate)] == pytest.approx(wanted.tolist())
    assert all(one.low < one.candidate < one.high for one in intervals(candidate))


def test_the_spread_is_that_of_paired_rows() -> None:
    """Against the textbook variance of a difference of paired proportions."""
    champion, candidate = answers(np.random.default_rng(2), 3000, gain=0.02)
    right = [np.equal(one["predictions"], one["targets"]) for one in (champion, candidate)]
    only_one, gain = np.mean(right[0] != right[1]), np.mean(right[1]) - np.mean(right[0])
    found, _ = compare(champion, candidate, "accuracy")
    assert found.gain == pytest.approx(gain)
    assert found.gain - found.low == pytest.approx(1.751 * ((only_one - gain**2) / 3000) ** 0.5, rel=0.08)


def test_one_who_is_no_better_is_seldom_promoted_and_one_who_is_mostly() -> None:
    """benchmarks/promotion.py has 1,000 of each; here as many as are quick, within what chance does to them."""
    assert rate(120, "accuracy", 400) <= 0.05 + 2.6 * (0.05 * 0.95 / 120) ** 0.5
    assert rate(40, "accuracy", 2000, gain=0.02) >= 0.8 - 2.6 * (0.8 * 0.2 / 40) ** 0.5


@pytest.mark.parametrize("metric", ["mae", "rmse", "r2", "pearson", "spearman", "loss"])
def test_numbers_are_compared_too_and_less_of_an_error_is_a_gain(metric: str) -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=300)
    near, far = (truth + rng.normal(size=300) * noise for noise in (0.3, 0.6))
    found, classes = compare({"predictions": far}, {"targets": truth, "predictions": near}, metric)
    assert found.low > 0 and classes == []
    assert found.metric == ("mse" if metric == "loss" else metric)
    assert found.candidate == pytest.approx(regression_metrics(truth, near)[found.metric])


def test_rankings_are_compared_by_their_queries() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 5)
    grades = rng.integers(0, 3, size=200)
    good, bad = grades + rng.normal(size=200) * 0.1, rng.normal(size=200)
    found, _ = compare({"predictions": bad}, {"targets": grades, "predictions": good, "groups": groups}, "ndcg")
    assert found.low > 0
    assert found.candidate == pytest.approx(ranking_metrics(grades, good, groups)["ndcg"])


def test_what_has_no_answers_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="must return `targets` and as many `predictions`"):
        compare({"predictions": [1]}, {"targets": [1, 2], "predictions": [1, 2]}, "accuracy")


def test_a_class_that_got_worse_closes_its_gate_and_luck_does_not() -> None:
    rng = np.random.default_rng(0)
    champion, candidate = answers(rng, 1000)
    lost = [0 if said == 3 else said for said in candidate["predictions"]]  # class d is never answered any more
    gates = Gates(minimum_gain=-1.0, worst_class_drop=0.1)

    def refused(predictions: list[int]) -> list[str]:
        difference, classes = compare(champion, {**candidate, "predictions": predictions}, "accuracy")
        measured = Measured(difference=difference, classes=classes, size_mb=1, latency_ms=None, calibration_error=None)
        return refusals(gates, measured)

    assert refused(candidate["predictions"]) == []
    [said] = refused(lost)
    assert said.startswith("worst_class_drop: F1 of class d (") and "0.0000 against the champion's 0." in said

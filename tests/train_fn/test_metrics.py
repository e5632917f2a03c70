import math

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score, f1_score, ndcg_score, roc_auc_score

from train_fn.metrics import HIGHER_IS_BETTER
from train_fn.metrics.classification import classification_metrics, confusion, per_class, scores
from train_fn.metrics.multi_label import multi_label_metrics
from train_fn.metrics.ranking import ranking_metrics
from train_fn.metrics.regression import regression_metrics

seeds = st.integers(0, 2**32 - 1)


def classified(seed=0, rows=200, classes=4):
    """Rare classes too, and right more often than not."""
    random = numpy.random.default_rng(seed)
    shares = numpy.arange(1, classes + 1)
    targets = random.choice(classes, size=rows, p=shares / shares.sum())
    logits = random.normal(size=(rows, classes)) + 1.5 * numpy.eye(classes)[targets]
    return targets, numpy.exp(logits) / numpy.exp(logits).sum(axis=1, keepdims=True)


def measured(seed=0, rows=50):
    random = numpy.random.default_rng(seed)
    targets = random.normal(10, 3, size=rows).astype(numpy.float32)
    return targets, targets + random.normal(size=rows).astype(numpy.float32)


def judged(seed=0, rows=60, queries=12):
    """Queries of any number of rows, mixed, some with no relevant row; a quarter of the scores are equal to others."""
    random = numpy.random.default_rng(seed)
    grades = (
        random.integers(0, 4, size=rows) * random.integers(0, 2, size=queries)[groups := random.choice(queries, rows)]
    )
    return grades.astype(numpy.float32), (random.integers(0, 20, size=rows) / 3).astype(numpy.float32), 7 * groups


def odds(predictions, classes):
    return numpy.eye(classes)[numpy.asarray(predictions)]


# of classes


def test_scores_are_those_of_a_count_by_hand():
    # class 0: precision 2/3, recall 2/2; class 1: precision 1/2, recall 1/2; class 2 is never predicted
    targets, predictions = numpy.array([0, 0, 1, 1, 2]), numpy.array([0, 0, 1, 0, 1])
    f1 = [2 * 2 / (2 * 2 + 1), 2 * 1 / (2 * 1 + 1 + 1), 0.0]
    expected = {"accuracy": 3 / 5, "f1_macro": sum(f1) / 3, "f1_weighted": (2 * f1[0] + 2 * f1[1] + f1[2]) / 5}
    assert scores(targets, predictions) == pytest.approx(expected)
    metrics = classification_metrics(targets, odds(predictions, 3))
    assert {name: metrics[name] for name in expected} == pytest.approx(expected)
    assert metrics["precision_macro"] == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert metrics["precision_weighted"] == pytest.approx((2 * 2 / 3 + 2 * 1 / 2 + 0) / 5)
    assert metrics["recall_macro"] == pytest.approx((1 + 1 / 2 + 0) / 3)


def test_mcc_is_the_formula_of_gorodkin():
    targets, probabilities = classified()
    predictions = probabilities.argmax(axis=1)
    wanted, given, rows = numpy.bincount(targets), numpy.bincount(predictions), len(targets)
    expected = ((targets == predictions).sum() * rows - wanted @ given) / math.sqrt(
        (rows**2 - given @ given) * (rows**2 - wanted @ wanted)
    )
    assert classification_metrics(targets, probabilities)["mcc"] == pytest.approx(expected, abs=1e-9)


def test_metrics_come_from_all_rows_and_are_no_mean_over_batches():
    targets, probabilities = classified(rows=96)
    predictions = probabilities.argmax(axis=1)
    metrics = classification_metrics(targets, probabilities)
    assert metrics["f1_macro"] == pytest.approx(f1_score(targets, predictions, average="macro"), abs=1e-12)
    batches = [classification_metrics(targets[rows], probabilities[rows]) for rows in numpy.split(numpy.arange(96), 4)]
    for name in metrics.keys() - {"accuracy"}:  # which alone is a mean over rows
        assert abs(numpy.mean([batch[name] for batch in batches]) - metrics[name]) > 1e-3, name


def test_roc_auc_of_two_classes_is_the_share_of_pairs_in_the_right_order():
    targets, probabilities = classified(classes=2)
    pairs = [(a > b) + (a == b) / 2 for a in probabilities[targets == 1, 1] for b in probabilities[targets == 0, 1]]
    assert classification_metrics(targets, probabilities)["roc_auc"] == pytest.approx(numpy.mean(pairs), abs=1e-9)


def test_roc_auc_of_many_classes_is_scikit_learn_s_one_against_the_rest():
    targets, probabilities = classified()
    expected = roc_auc_score(targets, probabilities, multi_class="ovr")
    assert classification_metrics(targets, probabilities)["roc_auc"] == pytest.approx(expected, abs=1e-9)


def test_roc_auc_leaves_out_a_class_without_rows():
    targets, probabilities = classified(classes=5)
    targets, probabilities = targets[targets != 2], probabilities[targets != 2]
    assert 2 in probabilities.argmax(axis=1)
    expected = [roc_auc_score(targets == index, probabilities[:, index]) for index in (0, 1, 3, 4)]
    assert classification_metrics(targets, probabilities)["roc_auc"] == pytest.approx(numpy.mean(expected), abs=1e-9)


@pytest.mark.parametrize("classes", [2, 3])
def test_roc_auc_is_left_out_where_all_rows_are_of_one_class(classes):
    _, probabilities = classified(classes=classes)
    assert "roc_auc" not in classification_metrics(numpy.ones(200, dtype=int), probabilities)


def test_calibration_error_is_that_of_a_count_by_hand():
    # of the bins of 1/15, one holds 0.85 and 0.82, of which one is right; 0.95, wrong, and 0.6, right, are alone
    targets = numpy.array([0, 1, 1, 0])
    probabilities = numpy.array([[0.85, 0.15], [0.82, 0.18], [0.95, 0.05], [0.6, 0.4]])
    expected = (abs(1 - (0.85 + 0.82)) + abs(0 - 0.95) + abs(1 - 0.6)) / 4
    assert classification_metrics(targets, probabilities)["ece"] == pytest.approx(expected, abs=1e-12)


def test_a_bin_is_a_fifteenth_and_holds_its_upper_end():
    # (0.733, 0.8] holds the first two rows, one of them right
    probabilities = numpy.array([[0.8, 0.2], [0.79, 0.21], [0.81, 0.19]])
    expected = (abs(1 - (0.8 + 0.79)) + abs(1 - 0.81)) / 3
    assert classification_metrics(numpy.array([0, 1, 0]), probabilities)["ece"] == pytest.approx(expected, abs=1e-12)


def test_a_confidence_that_comes_true_is_no_calibration_error():
    right = numpy.repeat([1, 0, 1, 0], [8, 2, 3, 2])
    confidence = numpy.repeat([0.8, 0.6], [10, 5])
    probabilities = numpy.stack([1 - confidence, confidence], axis=1)
    assert classification_metrics(right, probabilities)["ece"] == pytest.approx(0, abs=1e-12)
    assert classification_metrics(1 - right, probabilities)["ece"] == pytest.approx((10 * 0.6 + 5 * 0.2) / 15)


def test_being_always_sure_and_right_or_wrong_is_counted():
    assert classification_metrics(numpy.array([0, 1]), odds([0, 1], 2))["ece"] == 0
    assert classification_metrics(numpy.array([0, 1]), odds([1, 0], 2))["ece"] == 1


def test_each_class_has_its_scores():
    found = per_class(numpy.array([0, 0, 1, 1, 2]), numpy.array([0, 0, 1, 0, 1]), ("날씨", "음식", "none", "unseen"))
    assert list(found) == ["날씨", "음식", "none", "unseen"]
    assert found["날씨"] == pytest.approx({"precision": 2 / 3, "recall": 1, "f1": 4 / 5, "rows": 2, "said": 3})
    assert found["음식"] == pytest.approx({"precision": 1 / 2, "recall": 1 / 2, "f1": 1 / 2, "rows": 2, "said": 2})
    assert found["none"] == {"precision": 0, "recall": 0, "f1": 0, "rows": 1, "said": 0}
    assert found["unseen"] == {"precision": 0, "recall": 0, "f1": 0, "rows": 0, "said": 0}


def test_confusion_has_a_row_for_each_true_class():
    targets, predictions = numpy.array([0, 0, 1, 1, 2]), numpy.array([0, 0, 1, 0, 1])
    assert confusion(targets, predictions, 4) == [[2, 0, 0, 0], [1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]


@settings(deadline=None)
@given(seeds, st.integers(1, 30), st.integers(2, 20))
def test_few_rows_and_missing_classes_give_finite_metrics_without_a_warning(seed, rows, classes):
    targets, probabilities = classified(seed, rows, classes)
    found = classification_metrics(targets, probabilities.astype(numpy.float32))
    assert all(-1 <= value <= 1 for value in found.values())
    assert len(per_class(targets, probabilities.argmax(axis=1), tuple(map(str, range(classes))))) == classes


@pytest.mark.parametrize("prediction", [0, 1])
def test_only_one_class_at_all_is_no_correlation(prediction):
    metrics = classification_metrics(numpy.zeros(4, dtype=int), odds([prediction] * 4, 2))
    assert metrics["mcc"] == 0 and metrics["accuracy"] == 1 - prediction


# of numbers


def test_metrics_of_numbers_are_their_formulas():
    targets, outputs = measured()
    x, y = targets.astype(float), outputs.astype(float)
    squared = ((x - y) ** 2).mean()

    def correlation(a, b):
        return ((a - a.mean()) * (b - b.mean())).mean() / (a.std() * b.std())

    expected = {
        "mae": abs(x - y).mean(),
        "mse": squared,
        "rmse": math.sqrt(squared),
        "r2": 1 - squared / x.var(),
        "pearson": correlation(x, y),
        "spearman": correlation(rankdata(x), rankdata(y)),
    }
    assert regression_metrics(targets, outputs) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("targets", "outputs", "left_out"),
    [
        ([2.0], [3.0], {"r2", "pearson", "spearman"}),
        ([2.0, 2.0], [1.0, 3.0], {"r2", "pearson", "spearman"}),
        ([1.0, 3.0], [2.0, 2.0], set()),
        ([1.0, 3.0], [2.0, 2.5], set()),
    ],
)
def test_what_has_no_meaning_for_constant_targets_is_left_out(targets, outputs, left_out):
    found = regression_metrics(numpy.array(targets), numpy.array(outputs))
    assert found.keys() == HIGHER_IS_BETTER["regression"].keys() - {"loss"} - left_out
    assert all(math.isfinite(value) for value in found.values())


def test_constant_outputs_correlate_with_nothing():
    found = regression_metrics(numpy.array([1.0, 3.0]), numpy.array([2.0, 2.0]))
    assert found["pearson"] == found["spearman"] == 0


# of rankings


def ranked(grades, scores):
    return ranking_metrics(numpy.array(grades), numpy.array(scores), numpy.zeros(len(grades), dtype=int))


def test_ranking_metrics_are_those_of_a_count_by_hand():
    # best first: grades 0, 2, 0, 1; relevant rows at ranks 2 and 4
    found = ranked([1.0, 0.0, 2.0, 0.0], [0.1, 0.9, 0.5, 0.3])
    gain, best = 2 / math.log2(3) + 1 / math.log2(5), 2 / math.log2(2) + 1 / math.log2(3)
    expected = {"ndcg": gain / best, "ndcg_at_10": gain / best, "mrr": 1 / 2, "map": (1 / 2 + 2 / 4) / 2}
    assert found == pytest.approx(expected, abs=1e-9)


def test_ndcg_at_10_sees_no_further():
    grades, scores = [0.0] * 10 + [1.0], [*range(11, 0, -1)]
    assert ranked(grades, scores)["ndcg_at_10"] == 0
    assert ranked(grades, scores)["ndcg"] == pytest.approx(1 / math.log2(12))


def test_equal_scores_earn_no_reciprocal_rank_by_luck():
    assert ranked([1.0, 0.0, 0.0], [0.5, 0.5, 0.5])["mrr"] == pytest.approx(1 / 3)
    assert ranked([0.0, 1.0, 1.0], [0.5, 0.5, 0.5])["mrr"] == pytest.approx(1 / 2)
    assert ranked([1.0, 0.0, 0.0], [0.5, 0.5, 0.5])["map"] == pytest.approx(1 / 3)


@settings(deadline=None)
@given(seeds, st.integers(1, 60), st.integers(1, 12))
def test_metrics_are_means_over_the_queries_that_have_them(seed, rows, queries):
    grades, scores, groups = judged(seed, rows, queries)
    expected = {name: [] for name in HIGHER_IS_BETTER["ranking"].keys() - {"loss"}}
    for query in set(groups.tolist()):
        own, given_scores = grades[groups == query], scores[groups == query]
        if not own.any():
            continue
        expected["map"].append(average_precision_score(own > 0, given_scores))
        order = sorted(range(len(own)), key=lambda row: (-given_scores[row], own[row] > 0))
        expected["mrr"].append(1 / next(rank for rank, row in enumerate(order, start=1) if own[row] > 0))
        if len(own) > 1:
            expected["ndcg"].append(ndcg_score([own], [given_scores]))
            expected["ndcg_at_10"].append(ndcg_score([own], [given_scores], k=10))
    expected = {name: numpy.mean(values) for name, values in expected.items() if values}
    assert ranking_metrics(grades, scores, groups) == pytest.approx(expected, abs=1e-9)


@settings(deadline=None)
@given(seeds, st.integers(1, 60), st.integers(1, 12))
def test_neither_the_order_of_rows_nor_the_names_of_queries_matter(seed, rows, queries):
    grades, scores, groups = judged(seed, rows, queries)
    order = numpy.random.default_rng(seed).permutation(rows)
    elsewhere = ranking_metrics(grades[order], scores[order], 10**12 - groups[order])
    assert elsewhere == pytest.approx(ranking_metrics(grades, scores, groups), abs=1e-9)


def test_only_the_order_of_scores_matters():
    grades, scores, groups = judged()
    assert ranking_metrics(grades, numpy.exp(scores) - 100, groups) == ranking_metrics(grades, scores, groups)


def test_no_relevant_row_gives_no_metric():
    assert ranked([0.0, 0.0], [1.0, 2.0]) == {}
    assert ranked([2.0], [1.0]) == {"mrr": 1, "map": 1}  # of one row there is no NDCG


# of all kinds


def several(seed=0, rows=60, labels=5):
    """Some rows without any label; the first label is in no row."""
    random = numpy.random.default_rng(seed)
    targets = (random.random((rows, labels)) < 0.3).astype(int)
    targets[:, 0] = 0
    return targets, 0.35 * targets + 0.65 * random.random((rows, labels))


FOUND = {
    "classification": (classification_metrics, *classified()),
    "regression": (regression_metrics, *measured()),
    "ranking": (lambda grades, scores: ranking_metrics(grades, scores, judged()[2]), *judged()[:2]),
    "multi_label": (multi_label_metrics, *several()),
}
PERFECT = {
    "classification": odds(classified()[0], 4),
    "regression": measured()[0],
    "multi_label": several()[0],
    "ranking": judged()[0],
}


def test_every_kind_of_task_is_measured():
    assert HIGHER_IS_BETTER.keys() == FOUND.keys()


@pytest.mark.parametrize("task", FOUND)
def test_the_better_direction_of_every_metric_is_that_of_perfect_answers(task):
    metrics, targets, answers = FOUND[task]
    found, perfect = metrics(targets, answers), metrics(targets, PERFECT[task])
    assert HIGHER_IS_BETTER[task].keys() == found.keys() | {"loss"}
    assert HIGHER_IS_BETTER[task] == {name: perfect[name] > found[name] for name in found} | {"loss": False}
    assert all(found[name] != perfect[name] for name in found)


@pytest.mark.parametrize("task", FOUND)
def test_metrics_are_plain_floats(task):
    metrics, targets, answers = FOUND[task]
    assert {type(value) for value in metrics(targets, answers).values()} == {float}


@given(seeds)
@settings(max_examples=50, deadline=None)
def test_scores_of_several_labels_follow_their_definitions(seed):
    targets, probabilities = several(seed)
    said, found = probabilities > 0.5, multi_label_metrics(targets, probabilities)
    hits, wanted = (said & (targets == 1)).sum(), targets.sum()
    assert found["accuracy"] == pytest.approx((said == targets).all(axis=1).mean())
    assert found["hamming_loss"] == pytest.approx((said != targets).mean())
    assert found["precision_micro"] == pytest.approx(hits / max(1, said.sum()))
    assert found["recall_micro"] == pytest.approx(hits / max(1, wanted))
    assert found["f1_micro"] == pytest.approx(2 * hits / max(1, said.sum() + wanted))
    measured = targets.any(axis=0)  # no label is in all of 60 rows
    assert found["map"] == pytest.approx(
        numpy.mean([average_precision_score(targets[:, i], probabilities[:, i]) for i in numpy.flatnonzero(measured)])
    )
    assert found.keys() | {"loss"} == HIGHER_IS_BETTER["multi_label"].keys()

"""What models tell of rows of their own is, put together, what one would tell of all rows."""

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train_fn.metrics.answers import MOST_TOLD, MOST_WRONG, calibration_error, decisions, told_classes, told_labels
from train_fn.metrics.classification import confusion, per_class
from train_fn.metrics.pooled import pooled

LABELS = ("a", "b", "c", "unseen")

seeds = st.integers(0, 2**32 - 1)


def told_of_classes(targets, probabilities):
    said = probabilities.argmax(axis=1)
    return {
        "classes": per_class(targets, said, LABELS),
        "confusion": confusion(targets, said, len(LABELS)),
        **told_classes(targets, probabilities, LABELS),
    }


def told_of_labels(targets, probabilities):
    said = (probabilities > 0.5).astype(int)
    return {"classes": per_class(targets, said, LABELS), **told_labels(targets, probabilities, LABELS)}


def answered(seed, rows=40, several=False):
    """Probabilities of any confidence; the last label is in no row, and is said all the same."""
    random = numpy.random.default_rng(seed)
    if several:
        targets = (random.random((rows, len(LABELS))) < [0.5, 0.3, 0.1, 0.0]).astype(int)
        return targets, random.random((rows, len(LABELS))).astype(numpy.float32)
    odds = random.exponential(size=(rows, len(LABELS))) ** 3
    return random.integers(3, size=rows), (odds / odds.sum(axis=1, keepdims=True)).astype(numpy.float32)


def in_folds(seed, told, targets, probabilities):
    """Each of three models tells of its rows; the first alone of few."""
    of_row = numpy.random.default_rng(seed).choice(3, size=len(targets), p=[0.1, 0.4, 0.5])
    rows = [numpy.flatnonzero(of_row == fold) for fold in range(3) if (of_row == fold).any()]
    return pooled([told(targets[its], probabilities[its]) for its in rows], rows), rows


def same(found, whole):
    """Up to the order of equal confidences and the rounding of sums."""
    assert found.keys() - {"folds"} == whole.keys()
    assert found.get("confusion") == whole.get("confusion") and found["predictions"] == whole["predictions"]
    for label, scores in whole["classes"].items():
        assert found["classes"][label] == pytest.approx(scores)
    for one, other in zip(found["calibration"], whole["calibration"], strict=True):
        assert one == pytest.approx(other, rel=1e-6)
    by_confidence = [
        [(-row["confidence"], row["row"], row.get("label", "")) for row in one["wrong"]] for one in (found, whole)
    ]
    assert [row[0] for row in by_confidence[0]] == [row[0] for row in by_confidence[1]]
    surer = [{row for row in rows if row[0] < rows[-1][0]} for rows in by_confidence if rows]
    assert not surer or surer[0] == surer[1]


@given(seeds)
@settings(deadline=None, max_examples=50)
def test_folds_tell_of_classes_what_one_model_would_of_all_rows(seed):
    targets, probabilities = answered(seed)
    found, rows = in_folds(seed, told_of_classes, targets, probabilities)
    same(found, told_of_classes(targets, probabilities))
    said = probabilities.argmax(axis=1)
    for one, its in zip(found["folds"], rows, strict=True):
        cells = numpy.zeros((len(LABELS), len(LABELS)), int)
        for truth, predicted, count in one["confusion"]:
            cells[truth, predicted] = count
        assert one["rows"] == len(its) and cells.tolist() == confusion(targets[its], said[its], len(LABELS))


@given(seeds)
@settings(deadline=None, max_examples=50)
def test_folds_tell_of_several_labels_what_one_model_would_of_all_rows(seed):
    targets, probabilities = answered(seed, several=True)
    found, rows = in_folds(seed, told_of_labels, targets, probabilities)
    same(found, told_of_labels(targets, probabilities))
    assert found["folds"] == [{"rows": len(its)} for its in rows]


def test_of_numbers_the_answers_are_put_back_in_the_order_of_the_rows():
    told = [{"predictions": {"row": [0, 1], "truth": [0.1, 2.1], "said": [0.0, 2.0]}}]
    told += [{"predictions": {"row": [0], "truth": [1.1], "said": [1.0]}}]
    found = pooled(told, [numpy.array([0, 2]), numpy.array([1])])
    assert found["predictions"] == {"row": [0, 1, 2], "truth": [0.1, 1.1, 2.1], "said": [0.0, 1.0, 2.0]}
    assert found["folds"] == [{"rows": 2}, {"rows": 1}]


def test_models_that_tell_nothing_of_rows_tell_nothing_together():
    assert pooled([{"model": {"parameters": 3}}] * 2, [numpy.array([0]), numpy.array([1])]) == {}


def test_however_many_rows_and_folds_a_bounded_number_is_told():
    targets, probabilities = answered(0, rows=4 * MOST_TOLD)
    rows = [numpy.arange(fold, len(targets), 2) for fold in range(2)]
    found = pooled([told_of_classes(targets[its], probabilities[its]) for its in rows], rows)
    assert len(found["wrong"]) == MOST_WRONG and len(found["predictions"]["row"]) == MOST_TOLD
    assert found["predictions"]["row"] == sorted(found["predictions"]["row"])
    for row, truth in zip(found["predictions"]["row"], found["predictions"]["truth"], strict=True):
        assert truth == LABELS[targets[row]]
    assert sum(one["rows"] for one in found["calibration"]) == len(targets)


def test_of_several_labels_every_row_and_label_is_an_answer():
    targets = numpy.array([[1, 0, 0, 0], [0, 0, 1, 0]])
    probabilities = numpy.array([[0.9, 0.2, 0.6, 0.0], [0.7, 0.1, 0.05, 0.0]])
    told = told_labels(targets, probabilities, LABELS)
    assert told["wrong"] == [
        {"row": 1, "label": "c", "truth": "c", "said": "not c", "confidence": 0.95},
        {"row": 1, "label": "a", "truth": "not a", "said": "a", "confidence": 0.7},
        {"row": 0, "label": "c", "truth": "not c", "said": "c", "confidence": 0.6},
    ]
    assert told["predictions"] == {"row": [0, 1], "truth": ["a", "c"], "said": ["a|c", "a"]}
    assert sum(one["rows"] for one in told["calibration"]) == 8
    right = sum(one["rows"] * one["accuracy"] for one in told["calibration"])
    assert right == pytest.approx(5)
    gaps = [abs(one["confidence"] - one["accuracy"]) * one["rows"] / 8 for one in told["calibration"]]
    assert calibration_error(*decisions(targets, probabilities)) == pytest.approx(sum(gaps))


def test_more_answers_than_are_sorted_at_once_fall_into_the_same_bins(monkeypatch):
    targets, probabilities = answered(3, rows=500, several=True)
    whole = told_labels(targets, probabilities, LABELS)["calibration"]
    monkeypatch.setattr("train_fn.metrics.answers.AT_ONCE", 7)
    for one, other in zip(told_labels(targets, probabilities, LABELS)["calibration"], whole, strict=True):
        assert one == pytest.approx(other)

"""How far a score would move if validation had had other rows: a bootstrap of them (Efron 1979)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

SAMPLES = 400
SHARE = 0.95


@dataclass(frozen=True, kw_only=True)
class Interval:
    low: float
    high: float
    rows: int


def _metrics() -> Mapping[str, Callable[..., float]]:
    """Those that depend on nothing but which class was said for which: the confusion matrix is enough."""
    from sklearn import metrics

    def averaged(metric: Callable[..., float], average: str) -> Callable[..., float]:
        return partial(metric, average=average, zero_division=0)

    return {
        "accuracy": metrics.accuracy_score,
        "mcc": metrics.matthews_corrcoef,
        "f1_weighted": averaged(metrics.f1_score, "weighted"),
        "f1_macro": averaged(metrics.f1_score, "macro"),
        "precision_weighted": averaged(metrics.precision_score, "weighted"),
        "precision_macro": averaged(metrics.precision_score, "macro"),
        "recall_macro": averaged(metrics.recall_score, "macro"),
    }


def bootstrap(confusion: Sequence[Sequence[int]], metric: str, seed: int = 0) -> Interval | None:
    """95 % of the scores of as many rows, drawn again with replacement; None for a metric that needs more than classes.

    `confusion`: row = true class, column = predicted class. Drawing rows is drawing cells: nothing else enters.
    """
    matrix = np.array(confusion, int)
    score = _metrics().get(metric)
    if score is None or matrix.size == 0 or matrix.sum() == 0:
        return None
    truth, said = matrix.nonzero()
    counts = matrix[truth, said]
    if len({*truth, *said}) == 1:  # one class alone: every sample is the same
        return None
    drawn = np.random.default_rng(seed).multinomial(counts.sum(), counts / counts.sum(), size=SAMPLES)
    # a sample of one class alone has no mcc, and scikit-learn says so
    scores = [score(truth[of > 0], said[of > 0], sample_weight=of[of > 0]) for of in drawn if len(truth[of > 0]) > 1]
    low, high = np.quantile(scores, ((1 - SHARE) / 2, (1 + SHARE) / 2))
    return Interval(low=float(low), high=float(high), rows=int(counts.sum()))


def confusion_of(found: Mapping[str, Any]) -> list[list[int]]:
    """Of an evaluation that says its confusion, or the class of each row beside the true one; else empty."""
    if found.get("confusion"):
        return [*found["confusion"]]
    truth, said = found.get("targets", ()), found.get("predictions", ())
    classes = len(found.get("labels", ()))
    if not classes or not len(truth) or not all(isinstance(one, int) for one in (*truth, *said)):
        return []
    matrix = np.zeros((classes, classes), int)
    np.add.at(matrix, (np.array(truth), np.array(said)), 1)
    return [[int(count) for count in row] for row in matrix]

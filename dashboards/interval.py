"""How far a score would move if validation had had other rows: a bootstrap of them (Efron 1979)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLES = 400
SHARE = 0.95

Cells = NDArray[np.int64]  # of a confusion matrix, those that are not 0: true class, predicted class, rows


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


def bootstrap(folds: Sequence[Cells], metric: str, seed: int = 0) -> Interval | None:
    """95 % of the scores of as many rows, drawn again with replacement; None for a metric that needs more than classes.

    Drawing rows is drawing cells: nothing else enters. As a study's score is, this is the mean over the folds.
    """
    score, random = _metrics().get(metric), np.random.default_rng(seed)
    # where a fold has one class alone, every sample is the same
    if score is None or not folds or any(len({*cells[:, 0], *cells[:, 1]}) < 2 for cells in folds):
        return None
    scores = np.mean([drawn(cells, score, random) for cells in folds], axis=0)
    low, high = np.nanquantile(scores, ((1 - SHARE) / 2, (1 + SHARE) / 2))
    return Interval(low=float(low), high=float(high), rows=sum(int(cells[:, 2].sum()) for cells in folds))


def drawn(cells: Cells, score: Callable[..., float], random: np.random.Generator) -> list[float]:
    """The score of each sample; nan of one cell alone, which has no mcc, and scikit-learn says so."""
    truth, said, counts = cells.T
    samples = random.multinomial(counts.sum(), counts / counts.sum(), size=SAMPLES)
    return [
        score(truth[of > 0], said[of > 0], sample_weight=of[of > 0]) if (of > 0).sum() > 1 else np.nan for of in samples
    ]


def cells_of(found: Mapping[str, Any]) -> list[Cells]:
    """Of an evaluation that says its confusion, or that of each fold, or the class of each row beside the true one."""
    if found.get("folds"):
        return [np.array(one["confusion"], int).reshape(-1, 3) for one in found["folds"] if one.get("confusion")]
    if found.get("confusion"):
        matrix = np.array(found["confusion"], int)
        return [np.stack([*matrix.nonzero(), matrix[matrix.nonzero()]], axis=1)]
    truth, said = found.get("targets", ()), found.get("predictions", ())
    if not found.get("labels") or not len(truth) or not all(isinstance(one, int) for one in (*truth, *said)):
        return []
    pairs, counts = np.unique(np.stack([truth, said], axis=1), axis=0, return_counts=True)
    return [np.column_stack([pairs, counts])]

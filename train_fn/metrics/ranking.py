"""How good an order is, query by query; scikit-learn computes where it can."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy
from sklearn.metrics import average_precision_score, ndcg_score


def ranking_metrics(grades: numpy.ndarray, scores: numpy.ndarray, groups: numpy.ndarray) -> dict[str, float]:
    """Means over the queries that have a relevant row, of grade above 0, and one to tell it from."""
    values: dict[str, list[float]] = {name: [] for name in MEASURES}
    for query in numpy.unique(groups):
        own, given = grades[groups == query], scores[groups == query]
        if len(own) > 1 and (own > 0).any():
            for name, measure in MEASURES.items():
                values[name].append(float(measure(own, given)))
    return {name: float(numpy.mean(found)) for name, found in values.items() if found}


def ndcg(grades: numpy.ndarray, scores: numpy.ndarray, k: int | None = None) -> float:
    """Järvelin & Kekäläinen 2002 (ACM TOIS 20): grades discounted by log2 of rank, over what the best order gets."""
    return float(ndcg_score([grades], [scores], k=k))


def reciprocal_rank(grades: numpy.ndarray, scores: numpy.ndarray) -> float:
    """One over the rank of the first relevant row; of equal scores the relevant one comes last."""
    best = scores[grades > 0].max()
    return 1.0 / (1 + int((scores[grades <= 0] >= best).sum()))


def average_precision(grades: numpy.ndarray, scores: numpy.ndarray) -> float:
    return float(average_precision_score(grades > 0, scores))


MEASURES: Mapping[str, Callable[[numpy.ndarray, numpy.ndarray], float]] = {
    "ndcg": ndcg,
    "ndcg_at_10": partial(ndcg, k=10),
    "mrr": reciprocal_rank,
    "map": average_precision,
}

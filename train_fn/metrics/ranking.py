"""How good an order is, query by query; scikit-learn computes where it can."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy
from sklearn.metrics import label_ranking_average_precision_score, ndcg_score

Table = tuple[numpy.ndarray, numpy.ndarray]  # grades and scores, of shape (queries, rows of each)


def ranking_metrics(grades: numpy.ndarray, scores: numpy.ndarray, groups: numpy.ndarray) -> dict[str, float]:
    """Means over the queries that have a relevant row, one of grade above 0; left out where there is none.

    NDCG (Järvelin & Kekäläinen 2002, ACM TOIS 20) discounts grades by log2 of rank. What scikit-learn calls label
    ranking average precision is MAP, with queries for its samples and rows for its labels.
    """
    judged = list(tables(grades, scores, groups))
    several = [(own, given) for own, given in judged if own.shape[1] > 1]  # one row has no order
    means = {
        "ndcg": mean(ndcg_score, several),
        "ndcg_at_10": mean(partial(ndcg_score, k=10), several),
        "mrr": mean(reciprocal_rank, judged),
        "map": mean(lambda own, given: label_ranking_average_precision_score(own > 0, given), judged),
    }
    return {name: value for name, value in means.items() if value is not None}


def tables(grades: numpy.ndarray, scores: numpy.ndarray, groups: numpy.ndarray) -> Iterator[Table]:
    """The queries with a relevant row, those of equal size together: one call for each query would take minutes."""
    order = groups.argsort(kind="stable")
    sizes = numpy.unique(groups, return_counts=True)[1]
    size_of_query = numpy.repeat(sizes, sizes)
    for size in numpy.unique(sizes):
        rows = order[size_of_query == size].reshape(-1, size)
        rows = rows[(grades[rows] > 0).any(axis=1)]
        if len(rows):
            yield grades[rows], scores[rows]


def mean(measure: Callable[[numpy.ndarray, numpy.ndarray], float], tables: list[Table]) -> float | None:
    """Over all queries, from the means of the tables."""
    if not tables:
        return None
    return float(numpy.average([measure(*table) for table in tables], weights=[len(own) for own, _ in tables]))


def reciprocal_rank(grades: numpy.ndarray, scores: numpy.ndarray) -> float:
    """One over the rank of the first relevant row, which stands behind the others of its score."""
    best = numpy.where(grades > 0, scores, -numpy.inf).max(axis=1, keepdims=True)
    return float((1 / (1 + ((grades <= 0) & (scores >= best)).sum(axis=1))).mean())

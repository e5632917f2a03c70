"""Which of a teacher's answers become labels."""

import numpy
from numpy.typing import NDArray

NO_LABEL = -1


def select(
    probabilities: NDArray[numpy.floating], labelled: NDArray[numpy.int64], *, confidence: float, class_cap: float
) -> NDArray[numpy.int64]:
    """Class ids of the unlabelled rows, or NO_LABEL, from probabilities (rows, classes).

    `labelled` holds how many labelled rows each class has: it gains at most class_cap times as many, the most confident
    ones, or a class that the teacher prefers would grow from round to round (Arazo et al. 2019, arXiv:1908.02983).
    """
    classes, certainty = probabilities.argmax(axis=1), probabilities.max(axis=1)
    chosen = numpy.full(len(classes), NO_LABEL, dtype=numpy.int64)
    for class_id, rows_with_label in enumerate(labelled):
        candidates = numpy.flatnonzero((classes == class_id) & (certainty >= confidence))
        order = candidates[numpy.argsort(-certainty[candidates], kind="stable")]
        chosen[order[: int(class_cap * rows_with_label)]] = class_id
    return chosen


def precision_of_confident(
    probabilities: NDArray[numpy.floating], targets: NDArray[numpy.int64], confidence: float
) -> float:
    """Share of right answers among those that would have become labels, on rows whose label is known; 0 if none would.

    A weak teacher hands its errors on, and its student is surer of them still.
    """
    confident = probabilities.max(axis=1) >= confidence
    if not confident.any():
        return 0.0
    return float((probabilities.argmax(axis=1) == targets)[confident].mean())

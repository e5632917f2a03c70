"""What single answers tell beside the scores: how far their confidence can be believed, and which are wrong."""

from typing import Any

import numpy
from numpy.typing import NDArray

BINS = 15  # of the calibration error, as in Guo et al. 2017
MOST_WRONG = 50  # rows that are named
MOST_TOLD = 10_000  # rows whose answer is told: of a larger split an even choice
DIGITS = 4  # of a confidence
AT_ONCE = 1 << 20  # answers that go into bins together: several labels make many millions of a split
BETWEEN = "|"  # the labels of a row


def told_classes(targets: NDArray[Any], probabilities: NDArray[Any], labels: tuple[str, ...]) -> dict[str, Any]:
    """From class ids (rows,) and probabilities (rows, classes), plain values under the names that a report knows."""
    said, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    told = told_values([labels[one] for one in targets], [labels[one] for one in said])
    told["confidence"] = [round(float(confidence[row]), DIGITS) for row in told["row"]]
    return {
        "calibration": calibration(said == targets, confidence),
        "wrong": [
            {
                "row": int(row),
                "truth": labels[targets[row]],
                "said": labels[said[row]],
                "confidence": round(float(confidence[row]), DIGITS),
            }
            for row in surest_wrong(said == targets, confidence)
        ],
        "predictions": told,
    }


def told_labels(targets: NDArray[Any], probabilities: NDArray[Any], labels: tuple[str, ...]) -> dict[str, Any]:
    """The same where a row may have several labels: an answer is whether it has this one.

    From 0 and 1 (rows, labels) and probabilities (rows, labels).
    """
    wanted, said = targets > 0, probabilities > 0.5
    right, confidence = decisions(targets, probabilities)
    wrong = [(divmod(int(place), len(labels)), confidence[place]) for place in surest_wrong(right, confidence)]
    rows = spread(len(targets), MOST_TOLD)
    return {
        "calibration": calibration(right, confidence),
        "wrong": [
            {
                "row": row,
                "label": labels[label],
                "truth": has(labels[label], wanted[row, label]),
                "said": has(labels[label], said[row, label]),
                "confidence": round(float(sure), DIGITS),
            }
            for (row, label), sure in wrong
        ],
        "predictions": {
            "row": rows,
            "truth": [named(wanted[row], labels) for row in rows],
            "said": [named(said[row], labels) for row in rows],
        },
    }


def decisions(targets: NDArray[Any], probabilities: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Of each row and label, row by row: whether it is right, and the probability of what is said."""
    right = (probabilities > 0.5) == (targets > 0)
    return right.ravel(), numpy.maximum(probabilities, 1 - probabilities).ravel()


def has(label: str, there: bool) -> str:
    return label if there else f"not {label}"


def named(there: NDArray[Any], labels: tuple[str, ...]) -> str:
    return BETWEEN.join(labels[place] for place in there.nonzero()[0])


def told_values(truth: list[Any], said: list[Any]) -> dict[str, list[Any]]:
    """row (from 0), truth and said: a list each, of the same length."""
    rows = spread(len(truth), MOST_TOLD)
    return {"row": rows, "truth": [truth[row] for row in rows], "said": [said[row] for row in rows]}


def calibration(right: NDArray[Any], confidence: NDArray[Any]) -> list[dict[str, float]]:
    """Bins of equal width that have rows, each with its upper end: rows, mean confidence and accuracy."""
    sums = numpy.zeros((BINS + 1, 3))
    for start in range(0, len(right), AT_ONCE):
        sure, hits = confidence[start : start + AT_ONCE].astype(float), right[start : start + AT_ONCE]
        weights = (None, sure, hits)
        sums += numpy.stack([numpy.bincount(bin_of(sure), one, minlength=BINS + 1) for one in weights], axis=1)
    return as_bins(sums)


def bin_of(confidence: Any) -> Any:
    return numpy.minimum(numpy.ceil(numpy.asarray(confidence) * BINS), BINS).astype(int)  # a sum may exceed 1 a little


def as_bins(sums: NDArray[Any]) -> list[dict[str, float]]:
    """From a row per bin: how many answers, the sum of their confidence, how many are right."""
    return [
        {"rows": int(rows), "confidence": float(sure / rows), "accuracy": float(hits / rows)}
        for rows, sure, hits in sums
        if rows
    ]


def calibration_error(right: NDArray[Any], confidence: NDArray[Any]) -> float:
    """Expected calibration error (Guo et al. 2017, arXiv:1706.04599): confidence against accuracy, over the bins."""
    bins = calibration(right, confidence)
    return sum(one["rows"] * abs(one["confidence"] - one["accuracy"]) for one in bins) / len(right)


def surest_wrong(right: NDArray[Any], confidence: NDArray[Any]) -> NDArray[Any]:
    """Row numbers, the most confident first; of equal ones the earlier."""
    wrong = numpy.flatnonzero(~right)
    return wrong[numpy.argsort(-confidence[wrong], kind="stable")][:MOST_WRONG]


def spread(count: int, most: int) -> list[int]:
    """All of so many rows, or as many as there may be, evenly over them."""
    return [int(row) for row in numpy.linspace(0, count - 1, min(count, most)).round()]

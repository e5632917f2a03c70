"""What single answers tell beside the scores: how far their confidence can be believed, and which are wrong."""

from typing import Any

import numpy
from numpy.typing import NDArray

BINS = 15  # of the calibration error, as in Guo et al. 2017
MOST_WRONG = 50  # rows that are named
MOST_TOLD = 10_000  # rows whose answer is told: of a larger split an even choice
DIGITS = 4  # of a confidence


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


def told_values(truth: list[Any], said: list[Any]) -> dict[str, list[Any]]:
    """row (from 0), truth and said: a list each, of the same length."""
    rows = spread(len(truth), MOST_TOLD)
    return {"row": rows, "truth": [truth[row] for row in rows], "said": [said[row] for row in rows]}


def calibration(right: NDArray[Any], confidence: NDArray[Any]) -> list[dict[str, float]]:
    """Bins of equal width that have rows, each with its upper end: rows, mean confidence and accuracy."""
    bins = numpy.ceil(confidence.astype(float) * BINS).astype(int)
    return [
        {
            "rows": int((bins == one).sum()),
            "confidence": float(confidence[bins == one].mean(dtype=float)),
            "accuracy": float(right[bins == one].mean()),
        }
        for one in numpy.unique(bins)
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

"""How good predicted classes and their probabilities are; scikit-learn computes."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    matthews_corrcoef,
    precision_recall_fscore_support,
    precision_score,
    recall_score,
    roc_auc_score,
)

from train_fn.metrics.answers import calibration_error


def classification_metrics(targets: numpy.ndarray, probabilities: numpy.ndarray) -> dict[str, float]:
    """From class ids (rows,) and probabilities (rows, classes)."""
    predictions = probabilities.argmax(axis=1)
    return {
        **scores(targets, predictions),
        "precision_weighted": float(precision_score(targets, predictions, average="weighted", zero_division=0)),
        "precision_macro": float(precision_score(targets, predictions, average="macro", zero_division=0)),
        "recall_macro": float(recall_score(targets, predictions, average="macro", zero_division=0)),
        **roc_auc(targets, probabilities),
        "mcc": mcc(targets, predictions),
        "ece": calibration_error(predictions == targets, probabilities.max(axis=1)),
    }


def scores(targets: numpy.ndarray, predictions: numpy.ndarray) -> dict[str, float]:
    return {name: float(metric(targets, predictions)) for name, metric in METRICS.items()}


# which the baseline is measured by, too
METRICS: Mapping[str, Callable[[Any, Any], float]] = {
    "accuracy": accuracy_score,
    "f1_weighted": partial(f1_score, average="weighted", zero_division=0),
    "f1_macro": partial(f1_score, average="macro", zero_division=0),
}


def roc_auc(targets: numpy.ndarray, probabilities: numpy.ndarray) -> dict[str, float]:
    """Mean over the classes, each against the rest; nothing where no class has rows on both sides."""
    of_class = targets[:, None] == numpy.arange(probabilities.shape[1])
    measured = of_class.any(axis=0) & ~of_class.all(axis=0)
    if probabilities.shape[1] == 2:
        measured[0] = False  # the same area again
    if not measured.any():
        return {}
    return {"roc_auc": float(roc_auc_score(of_class[:, measured], probabilities[:, measured]))}


def mcc(targets: numpy.ndarray, predictions: numpy.ndarray) -> float:
    """Matthews correlation, 0 where it is undefined; scikit-learn says so, too, but warns if there is but one class."""
    if len(numpy.union1d(targets, predictions)) == 1:
        return 0.0
    return float(matthews_corrcoef(targets, predictions))


def per_class(
    targets: numpy.ndarray, predictions: numpy.ndarray, labels: tuple[str, ...]
) -> dict[str, dict[str, float]]:
    """Label -> precision, recall, F1, number of rows, and of those that are said to be of it.

    From class ids (rows,), or from 0 and 1 (rows, labels).
    """
    columns = precision_recall_fscore_support(targets, predictions, labels=range(len(labels)), zero_division=0)
    said = numpy.bincount(predictions, minlength=len(labels)) if predictions.ndim == 1 else predictions.sum(axis=0)
    return {
        label: {"precision": float(p), "recall": float(r), "f1": float(f), "rows": int(rows), "said": int(answers)}
        for label, p, r, f, rows, answers in zip(labels, *columns, said, strict=True)
    }


def confusion(targets: numpy.ndarray, predictions: numpy.ndarray, num_classes: int) -> list[list[int]]:
    """Row = true class, column = predicted class."""
    matrix: list[list[int]] = confusion_matrix(targets, predictions, labels=range(num_classes)).tolist()
    return matrix

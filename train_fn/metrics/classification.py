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

BINS = 15  # of the calibration error, as in Guo et al. 2017

# those that a model without probabilities can be measured by, too
SCORES: Mapping[str, Callable[[Any, Any], float]] = {
    "accuracy": accuracy_score,
    "f1_weighted": partial(f1_score, average="weighted", zero_division=0),
    "f1_macro": partial(f1_score, average="macro", zero_division=0),
}

MORE_SCORES: Mapping[str, Callable[[Any, Any], float]] = {
    "precision_weighted": partial(precision_score, average="weighted", zero_division=0),
    "precision_macro": partial(precision_score, average="macro", zero_division=0),
    "recall_macro": partial(recall_score, average="macro", zero_division=0),
    "mcc": matthews_corrcoef,
}


def classification_metrics(targets: numpy.ndarray, probabilities: numpy.ndarray) -> dict[str, float]:
    """From class ids (rows,) and probabilities (rows, classes)."""
    predictions = probabilities.argmax(axis=1)
    metrics = {name: float(score(targets, predictions)) for name, score in {**SCORES, **MORE_SCORES}.items()}
    return metrics | roc_auc(targets, probabilities) | {"ece": calibration_error(targets, probabilities)}


def scores(targets: numpy.ndarray, predictions: numpy.ndarray) -> dict[str, float]:
    return {name: float(score(targets, predictions)) for name, score in SCORES.items()}


def roc_auc(targets: numpy.ndarray, probabilities: numpy.ndarray) -> dict[str, float]:
    """Mean over the classes, each against the rest; nothing where no class has rows on both sides."""
    classes = [label for label in range(probabilities.shape[1]) if 0 < (targets == label).sum() < len(targets)]
    if probabilities.shape[1] == 2:
        classes = classes[:1]  # the other one's is the same
    areas = [roc_auc_score(targets == label, probabilities[:, label]) for label in classes]
    return {"roc_auc": float(numpy.mean(areas))} if areas else {}


def calibration_error(targets: numpy.ndarray, probabilities: numpy.ndarray) -> float:
    """Expected calibration error (Guo et al. 2017, arXiv:1706.04599): gap of confidence and accuracy, in equal bins."""
    confidence, right = probabilities.max(axis=1).astype(float), probabilities.argmax(axis=1) == targets
    bins = numpy.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = numpy.bincount(bins, weights=confidence, minlength=BINS) - numpy.bincount(
        bins, weights=right, minlength=BINS
    )
    return float(numpy.abs(gaps).sum() / len(targets))


def per_class(
    targets: numpy.ndarray, predictions: numpy.ndarray, labels: tuple[str, ...]
) -> dict[str, dict[str, float]]:
    """Label -> precision, recall, F1 and number of rows."""
    columns = precision_recall_fscore_support(targets, predictions, labels=range(len(labels)), zero_division=0)
    return {
        label: {"precision": float(p), "recall": float(r), "f1": float(f), "rows": int(rows)}
        for label, p, r, f, rows in zip(labels, *columns, strict=True)
    }


def confusion(targets: numpy.ndarray, predictions: numpy.ndarray, num_classes: int) -> list[list[int]]:
    """Row = true class, column = predicted class."""
    matrix: list[list[int]] = confusion_matrix(targets, predictions, labels=range(num_classes)).tolist()
    return matrix

"""How good predicted sets of labels are; scikit-learn computes."""

import numpy
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    hamming_loss,
    precision_score,
    recall_score,
    roc_auc_score,
)

from train_fn.metrics.answers import calibration_error, decisions


def multi_label_metrics(targets: numpy.ndarray, probabilities: numpy.ndarray) -> dict[str, float]:
    """From 0 and 1 (rows, labels) and probabilities (rows, labels); a label is said where its own is above 1/2."""
    predictions = (probabilities > 0.5).astype(int)
    f1 = {
        f"f1_{average}": f1_score(targets, predictions, average=average, zero_division=0)
        for average in ("micro", "macro", "weighted", "samples")
    }
    found = {
        "accuracy": accuracy_score(targets, predictions),  # rows whose labels are all right
        "hamming_loss": hamming_loss(targets, predictions),
        "precision_micro": precision_score(targets, predictions, average="micro", zero_division=0),
        "recall_micro": recall_score(targets, predictions, average="micro", zero_division=0),
        **f1,
        **areas(targets, probabilities),
        "ece": calibration_error(*decisions(targets, probabilities)),
    }
    return {name: float(value) for name, value in found.items()}


def areas(targets: numpy.ndarray, probabilities: numpy.ndarray) -> dict[str, float]:
    """Mean over the labels that some rows have and others have not; nothing where there is none."""
    measured = targets.any(axis=0) & ~targets.all(axis=0)
    if not measured.any():
        return {}
    wanted, said = targets[:, measured], probabilities[:, measured]
    return {"roc_auc": roc_auc_score(wanted, said), "map": average_precision_score(wanted, said)}

"""The loss of rows that may have several labels, or none."""

import torch
from torch.nn import functional

from train_fn.losses.precise import precise


def bce(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy of each row: the mean over labels, each a yes or no of its own. Shapes (rows, labels)."""
    return functional.binary_cross_entropy_with_logits(precise(logits), targets, reduction="none").mean(dim=1)

"""What training makes small."""

import torch
from torch.nn import functional


def cross_entropy(logits: torch.Tensor, targets: torch.Tensor, label_smoothing: float) -> torch.Tensor:
    """Sum over rows of cross-entropy with label smoothing (Szegedy et al. 2016, arXiv:1512.00567).

    The target of a row is (1 - s) on its class plus s / classes on each. A sum, so that parts of a batch add up to it.
    """
    # in fp32: a half-precision log-sum-exp over many classes loses the small ones
    return functional.cross_entropy(logits.float(), targets, label_smoothing=label_smoothing, reduction="sum")

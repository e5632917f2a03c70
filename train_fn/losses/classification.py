"""How wrong the odds of the classes are: logits (rows, classes) and class ids (rows,) -> losses (rows,).

In place of class ids targets may be shares of the classes (rows, classes), which add up to 1, as mixed images have.
"""

import torch
from torch.nn import functional

from train_fn.losses.precise import precise


def cross_entropy(logits: torch.Tensor, targets: torch.Tensor, *, label_smoothing: float) -> torch.Tensor:
    """With label smoothing (Szegedy et al. 2015, arXiv:1512.00567): the target is 1 - s on the class and s evenly."""
    logits = precise(logits)
    if targets.is_floating_point():
        targets = targets.to(logits.dtype)
    return functional.cross_entropy(logits, targets, label_smoothing=label_smoothing, reduction="none")


def focal(logits: torch.Tensor, targets: torch.Tensor, *, gamma: float, label_smoothing: float) -> torch.Tensor:
    """Focal loss (Lin et al. 2017, arXiv:1708.02002): each class's part of cross-entropy times (1 - p) ** gamma."""
    if gamma == 0:
        return cross_entropy(logits, targets, label_smoothing=label_smoothing)
    log_p = precise(logits).log_softmax(dim=1)
    # 1 - p without cancellation; above 0, where a power below 1 has no finite slope
    missed = (-torch.expm1(log_p)).clamp(min=torch.finfo(log_p.dtype).tiny)
    shares = -(missed**gamma) * log_p
    if targets.is_floating_point():
        of_class = (targets * shares).sum(dim=1)
    else:
        of_class = shares.gather(1, targets[:, None]).squeeze(1)
    return (1 - label_smoothing) * of_class + label_smoothing * shares.mean(dim=1)

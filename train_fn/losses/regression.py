"""How far numbers are off: outputs and targets (rows,) -> losses (rows,)."""

import torch
from torch.nn import functional

from train_fn.losses.precise import precise


def mse(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Squared error."""
    return functional.mse_loss(precise(outputs), precise(targets), reduction="none")


def mae(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Absolute error."""
    return functional.l1_loss(precise(outputs), precise(targets), reduction="none")


def huber(outputs: torch.Tensor, targets: torch.Tensor, *, delta: float) -> torch.Tensor:
    """Huber 1964 (Annals of Mathematical Statistics 35): a square up to `delta`, then a line, so outliers pull less."""
    return functional.huber_loss(precise(outputs), precise(targets), delta=delta, reduction="none")

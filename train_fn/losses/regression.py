"""How far numbers are off: outputs and targets (rows,) -> losses (rows,)."""

import torch
from torch.nn import functional


def mse(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return functional.mse_loss(outputs.to(targets.dtype), targets, reduction="none")


def mae(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return functional.l1_loss(outputs.to(targets.dtype), targets, reduction="none")


def huber(outputs: torch.Tensor, targets: torch.Tensor, *, delta: float) -> torch.Tensor:
    """Huber 1964 (Annals of Mathematical Statistics 35): a square up to `delta`, a line beyond for outliers."""
    return functional.huber_loss(outputs.to(targets.dtype), targets, delta=delta, reduction="none")

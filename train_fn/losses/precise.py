"""In which precision losses are computed."""

import torch


def precise(tensor: torch.Tensor) -> torch.Tensor:
    """fp32 at least: a half-precision log-sum-exp over many classes loses the small ones."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))

"""Which optimizer takes the steps."""

from typing import Any

import torch

from train_fn.config import TextConfig


def adamw(groups: list[dict[str, Any]], config: TextConfig) -> torch.optim.AdamW:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, arXiv:1711.05101)."""
    return torch.optim.AdamW(
        groups,
        betas=(config.adam_beta1, config.adam_beta2),
        eps=config.adam_epsilon,
        fused=True,  # 14 ms a step on one core for 22.7 M parameters, against 122 ms for the default
    )

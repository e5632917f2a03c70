"""R-Drop (Liang et al. 2021, arXiv:2106.14448): two passes under other dropout masks should say the same."""

import torch

from train_fn.losses.precise import precise


def divergence(logits: torch.Tensor, again: torch.Tensor, task: str) -> torch.Tensor:
    """Of each row: mean of the two Kullback-Leibler divergences, or, of numbers, the squared difference."""
    if task != "classification":
        return (precise(logits) - precise(again)).flatten() ** 2
    log_p, log_q = precise(logits).log_softmax(dim=1), precise(again).log_softmax(dim=1)
    return ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum(dim=1) / 2  # KL(p|q) + KL(q|p), in one sum

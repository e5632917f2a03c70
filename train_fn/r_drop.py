"""R-Drop (Liang et al. 2021, arXiv:2106.14448): two passes under other dropout masks should say the same."""

import torch
from torch.nn import functional

from train_fn.losses.classification import precise


def divergence(outputs: torch.Tensor, again: torch.Tensor, task: str) -> torch.Tensor:
    """Of each row: mean of the two Kullback-Leibler divergences, or, of numbers, the squared difference."""
    if task != "classification":
        return (precise(outputs) - precise(again)).flatten() ** 2
    one, two = precise(outputs).log_softmax(dim=1), precise(again).log_softmax(dim=1)
    there = functional.kl_div(two, one, log_target=True, reduction="none").sum(dim=1)
    back = functional.kl_div(one, two, log_target=True, reduction="none").sum(dim=1)
    return (there + back) / 2

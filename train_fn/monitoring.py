"""What is worth seeing of a run beside its scores: rates, ratios, memory, and what the model weighs."""

import resource
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from train_fn.sharding import whole

BINS = 32


def learning_rates(optimizer: Optimizer, usual: float) -> dict[str, float]:
    """Of each depth (0 = embeddings), and of a head with a rate of its own, as the last step used it.

    Nothing where all are the usual one.
    """
    moving = [group for group in optimizer.param_groups if group["peak_lr"] > 0]
    rates = {place: group["lr"] for group in moving for place in group["places"]}
    if set(rates.values()) == {usual}:
        return {}
    return {f"learning_rate/{place}": rate for place, rate in sorted(rates.items())}


def copied(optimizer: Optimizer) -> list[list[torch.Tensor]]:
    """The weights of each parameter group, before a step whose size is to be known."""
    return [[parameter.detach().clone() for parameter in group["params"]] for group in optimizer.param_groups]


@torch.no_grad()
def update_ratios(before: list[list[torch.Tensor]], optimizer: Optimizer) -> dict[str, float]:
    """L2 norm of a step over that of the weights, for each depth: about 1e-3 where training goes well (assumption)."""
    moved: dict[int, list[torch.Tensor]] = {}
    weights: dict[int, list[torch.Tensor]] = {}
    for old, group in zip(before, optimizer.param_groups, strict=True):
        steps = torch._foreach_sub(group["params"], old)
        for depth, step, weight in zip(group["depths"], steps, old, strict=True):
            moved.setdefault(depth, []).append(step)
            weights.setdefault(depth, []).append(weight)
    return {
        f"update_ratio/depth_{depth:02}": (norm(moved[depth]) / norm(weights[depth]).clamp(min=1e-12)).item()
        for depth in sorted(moved)
    }


def norm(tensors: list[torch.Tensor]) -> torch.Tensor:
    return torch.stack([whole(length) for length in torch._foreach_norm(tensors)]).norm()


def peak_megabytes(device: torch.device) -> float:
    """Of the GPU's tensors since the last call; without a GPU, of this process in its whole life."""
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        return peak / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3  # Linux counts in kB


def summary(model: nn.Module) -> dict[str, float]:
    """How large the model is, and how much of it learns."""
    parameters = list(model.parameters())
    return {
        "parameters": sum(parameter.numel() for parameter in parameters),
        "trainable_parameters": sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
        "mb": sum(parameter.numel() * parameter.element_size() for parameter in parameters) / 1e6,
    }


def histograms(tensors: Iterable[tuple[str, torch.Tensor]]) -> Mapping[str, Any]:
    """Name -> counts in equal bins between the smallest and the largest value; in one, where these are the same."""
    return {name: histogram(tensor.detach().float().flatten()) for name, tensor in tensors}


def histogram(values: torch.Tensor) -> dict[str, Any]:
    finite = values[values.isfinite()].cpu()
    if not len(finite):
        return {"low": 0.0, "high": 0.0, "counts": []}
    low, high = finite.min().item(), finite.max().item()
    counts = torch.histc(finite, BINS, low, high).long().tolist() if low < high else [len(finite)]
    return {"low": low, "high": high, "counts": counts}

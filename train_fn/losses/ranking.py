"""How wrong the order within each query is: scores, grades and query ids (rows,) -> each row's share (rows,).

The shares of a query add up to its loss, and the order of the rows does not matter.
"""

import torch
from torch.nn import functional

from train_fn.losses.precise import precise


def pairwise(scores: torch.Tensor, grades: torch.Tensor, groups: torch.Tensor) -> torch.Tensor:
    """RankNet (Burges et al. 2005, ICML 22): mean over the pairs of unequal grade, each told to its better row."""
    scores = precise(scores)
    same = groups[:, None] == groups[None, :]
    pairs = same & (grades[:, None] > grades[None, :])
    losses = functional.softplus(scores[None, :] - scores[:, None]).where(pairs, 0.0)
    num_pairs = (same * pairs.sum(dim=1)).sum(dim=1)  # in the row's query
    return losses.sum(dim=1) / num_pairs.clamp(min=1)


def listwise(scores: torch.Tensor, grades: torch.Tensor, groups: torch.Tensor) -> torch.Tensor:
    """ListNet, top one (Cao et al. 2007, ICML 24): cross-entropy between the softmax of grades and that of scores.

    By segments, not by a mask of rows x rows: it is also evaluated, over all rows of a split at once.
    """
    order = groups.argsort(stable=True)  # the rows of a query side by side
    query = (groups[order].diff(prepend=groups[order[:1]]) != 0).cumsum(dim=0)  # counted from 0
    # 0 after the last query: how many there are is known on the device only, and waiting for it would stall a step
    sizes = torch.zeros_like(query).scatter_add(0, query, torch.ones_like(query))
    wanted, given = (log_softmax(precise(values)[order], query, sizes) for values in (grades, scores))
    return (-wanted.exp() * given)[order.argsort()]


def log_softmax(values: torch.Tensor, query: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
    """Within each query. `segment_reduce` adds up in a fixed order on a GPU, too, unlike `index_add`."""
    largest = torch.segment_reduce(values.detach(), "max", lengths=sizes, unsafe=True)
    shifted = values - largest[query]
    totals = torch.segment_reduce(shifted.exp(), "sum", lengths=sizes, unsafe=True)
    return shifted - totals[query].log()

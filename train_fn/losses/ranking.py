"""How wrong the order within each query is: scores, grades and query ids (rows,) -> each row's share (rows,).

The shares of a query add up to its loss, and the order of the rows does not matter.
"""

import torch
from torch.nn import functional


def pairwise(scores: torch.Tensor, grades: torch.Tensor, groups: torch.Tensor) -> torch.Tensor:
    """RankNet (Burges et al. 2005, ICML 22): mean over the pairs of unequal grade, each told to its better row."""
    scores = scores.to(grades.dtype)
    same = groups[:, None] == groups[None, :]
    pairs = same & (grades[:, None] > grades[None, :])
    losses = functional.softplus(scores[None, :] - scores[:, None]).where(pairs, 0.0)
    of_query = (same * pairs.sum(dim=1)[None, :]).sum(dim=1)  # pairs in the row's query
    return losses.sum(dim=1) / of_query.clamp(min=1)


def listwise(scores: torch.Tensor, grades: torch.Tensor, groups: torch.Tensor) -> torch.Tensor:
    """ListNet, top one (Cao et al. 2007, ICML 24): cross-entropy between the softmax of grades and that of scores."""
    same = groups[:, None] == groups[None, :]
    wanted = grades - log_total(grades, same)
    given = scores.to(grades.dtype) - log_total(scores.to(grades.dtype), same)
    return -wanted.exp() * given


def log_total(values: torch.Tensor, same: torch.Tensor) -> torch.Tensor:
    """Log of the summed exponentials in each row's query."""
    return values[None, :].where(same, -torch.inf).logsumexp(dim=1)

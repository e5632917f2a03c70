"""Attention that `torch.func.vmap` can go through: torch's kernels know no lanes, and its masks look at the data."""

from typing import Any

import torch
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import sdpa_mask

from train_fn.architecture import check_lanes
from train_fn.fused.dropout import KeyedDropout

NAME = "lanes"
NAMES = ("dropout", "attention_dropout")  # of what drops attention weights, where that is a module


def attention(
    module: nn.Module,
    query: torch.Tensor,  # (rows, heads, tokens, width)
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,  # True where there is something to look at
    scaling: float | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """(rows, tokens, heads, width)."""
    scores = (query * (query.shape[-1] ** -0.5 if scaling is None else scaling)) @ key.transpose(2, 3)
    if attention_mask is not None:
        scores = scores.masked_fill(~attention_mask, -torch.inf)
    weights = scores.softmax(dim=-1)
    keyed = [one for name in NAMES if isinstance(one := getattr(module, name, None), KeyedDropout)]
    if keyed:
        weights = keyed[0](weights)
    return (weights @ value).transpose(1, 2).contiguous(), None


def mask(*arguments: Any, **settings: Any) -> torch.Tensor | None:
    """Also where all tokens are there: to look whether they are, would be to wait for one lane."""
    settings |= {"allow_is_causal_skip": False, "allow_is_bidirectional_skip": False}
    found: torch.Tensor | None = sdpa_mask(*arguments, **settings)
    return found


AttentionInterface.register(NAME, attention)
AttentionMaskInterface.register(NAME, mask)


def make_attention_of_lanes(model: PreTrainedModel) -> None:
    """In place. A ValueError where its layers know no lanes."""
    own = getattr(model.config, "attention_probs_dropout_prob", 0.0)
    check_lanes(model.config.model_type, own)
    model.set_attn_implementation(NAME)

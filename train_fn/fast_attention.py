"""Attention with dropout for processors, where torch has no kernel for it.

`scaled_dot_product_attention` then takes its reference path: it copies half-precision inputs to fp32, scales both of
them, and draws a slow mask. Steps of MiniLM are 1.2 times as fast without.
"""

from typing import Any

import torch
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from train_fn.fast_dropout import kept

NAME = "sdpa_with_fast_dropout"


def attention(
    module: nn.Module,
    query: torch.Tensor,  # (rows, heads, tokens, width)
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Of (rows, tokens, heads, width): torch's own unless there is dropout and nothing unusual."""
    causal = module.is_causal if is_causal is None and hasattr(module, "is_causal") else is_causal
    unusual = any(others.get(name) is not None for name in ("position_bias", "cache", "softcap"))
    if dropout == 0 or unusual or key.shape != query.shape or (attention_mask is None and causal is not False):
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, is_causal=is_causal, **others
        )
    scores = (query * (query.shape[-1] ** -0.5 if scaling is None else scaling)) @ key.transpose(2, 3)
    if attention_mask is not None:
        boolean = attention_mask.dtype == torch.bool
        scores = scores.masked_fill(~attention_mask, -torch.inf) if boolean else scores + attention_mask
    weights = scores.softmax(dim=-1)  # torch adds up in fp32, so that no copy in fp32 is needed
    return ((weights * kept(weights, dropout)) @ value).transpose(1, 2).contiguous(), None


AttentionInterface.register(NAME, attention)
AttentionMaskInterface.register(NAME, sdpa_mask)


def make_attention_fast(model: PreTrainedModel) -> None:
    """In place, for a model that uses torch's attention."""
    if model.config._attn_implementation == "sdpa":
        model.set_attn_implementation(NAME)

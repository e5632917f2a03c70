"""Word dropout: tokens are hidden (Iyyer et al. 2015, ACL, Deep Averaging Networks; Bowman et al. 2016, CoNLL)."""

from collections.abc import Sequence

import torch


def hide_tokens(ids: torch.Tensor, probability: float, mask_id: int, special_ids: Sequence[int]) -> torch.Tensor:
    """Ids (rows, tokens), each but special ones replaced by mask_id with this probability; from torch's generator."""
    hidden = torch.rand(ids.shape, device=ids.device) < probability
    hidden &= ~torch.isin(ids, torch.tensor(special_ids, device=ids.device))
    return ids.masked_fill(hidden, mask_id)

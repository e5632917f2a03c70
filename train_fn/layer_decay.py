"""Which learning rate and weight decay each parameter gets."""

import re
from typing import Any

from torch import nn
from transformers import PreTrainedModel

from train_fn.architecture import check_blocks
from train_fn.depth import is_head, known_blocks, parameter_depths

# tokens and positions that are parameters of their own, and tables of biases, which no weight decay pulls to 0 although
# they are no vectors: BEiT and Swin leave them out. Embedding tables (`.weight`) decay, as in BERT
NO_DECAY = re.compile(r"(bias|bias_table|bias\.weight|_tokens?|mask_emb|position_embeddings)$")


def parameter_groups(
    model: PreTrainedModel,
    *,
    learning_rate: float,
    layer_decay: float,
    head_learning_rate_multiplier: float,
    weight_decay: float,
) -> list[dict[str, Any]]:
    """Layer-wise learning-rate decay: rate = learning_rate * layer_decay ** (top - depth).

    ULMFiT (Howard & Ruder 2018, arXiv:1801.06146), ELECTRA (Clark et al. 2020, arXiv:2003.10555),
    BEiT (Bao et al. 2021, arXiv:2106.08254). One group for each rate and weight decay, as each costs a call in every
    step; `depths` and `places` are of its parameters, one by one. What is frozen has no group.
    """
    check_blocks(model.config.model_type, known_blocks(model), layer_decay=layer_decay)
    depths = parameter_depths(model)
    top = max(depths.values())
    groups: dict[tuple[float, float], dict[str, nn.Parameter]] = {}
    places: dict[str, str] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            rate = learning_rate * layer_decay ** (top - depths[name])
            if is_head(name, model):
                rate *= head_learning_rate_multiplier
            own = rate != learning_rate * layer_decay ** (top - depths[name])
            places[name] = "head" if own else f"depth_{depths[name]:02}"
            decay = 0.0 if is_spared(name, parameter) else weight_decay
            groups.setdefault((rate, decay), {})[name] = parameter
    return [
        {
            "params": list(group.values()),
            "names": list(group),
            "depths": [depths[name] for name in group],
            "places": [places[name] for name in group],
            "peak_lr": rate,
            "lr": rate,
            "weight_decay": decay,
        }
        for (rate, decay), group in groups.items()
    ]


def is_spared(name: str, parameter: nn.Parameter) -> bool:
    """Of weight decay: biases and norms, which are vectors, and what is their like."""
    return parameter.ndim < 2 or NO_DECAY.search(name) is not None

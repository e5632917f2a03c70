"""Which learning rate and weight decay each parameter gets."""

import re
from typing import Any

from torch import nn
from transformers import PreTrainedModel

from train_fn.depth import is_head, parameter_depths

# what no weight decay pulls to 0 although it is no vector, as in BEiT
NO_DECAY = re.compile(r"(bias|cls_token|mask_token|distillation_token|mask_emb|position_embeddings)$")


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
    BEiT (Bao et al. 2021, arXiv:2106.08254). One group for each depth, rate and weight decay; what is frozen has none.
    """
    depths = parameter_depths(model)
    top = max(depths.values())
    if layer_decay != 1 and top == 1:
        raise ValueError(
            f"`layer_decay` must be 1 for a {model.config.model_type} model, whose blocks are not known here, "
            f"got {layer_decay}; try 1"
        )
    groups: dict[tuple[int, float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            rate = learning_rate * layer_decay ** (top - depths[name])
            if is_head(name, model):
                rate *= head_learning_rate_multiplier
            decay = 0.0 if is_bias_or_norm(name, parameter) else weight_decay
            groups.setdefault((depths[name], rate, decay), []).append(parameter)
    return [
        {"params": group, "depth": depth, "peak_lr": rate, "lr": rate, "weight_decay": decay}
        for (depth, rate, decay), group in groups.items()
    ]


def is_bias_or_norm(name: str, parameter: nn.Parameter) -> bool:
    return parameter.ndim < 2 or NO_DECAY.search(name) is not None

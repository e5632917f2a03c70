"""Which learning rate and weight decay each parameter gets."""

import re
from typing import Any

from torch import nn
from transformers import PreTrainedModel

# the numbered blocks of BERT, RoBERTa, ELECTRA, DeBERTa, DistilBERT, ModernBERT, XLNet, GPT-2 and ALBERT
# (whose groups of blocks share their weights)
BLOCK = re.compile(r"\.(?:layers?|h|albert_layer_groups)\.(\d+)\.")
EMBEDDING = re.compile(r"\.\w*emb|\.wte\.|\.wpe\.")


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
    BEiT (Bao et al. 2021, arXiv:2106.08254). Depth is the module's, not the parameter's place in a list: a block has
    some sixteen parameters, and all of them learn at one rate.
    """
    depths = parameter_depths(model)
    top = max(depths.values())
    if layer_decay != 1 and (top == 1 or model.config.is_encoder_decoder):
        raise ValueError(
            f"`layer_decay` must be 1 for a {model.config.model_type} model, whose blocks are not known as one stack, "
            f"got {layer_decay}; try 1"
        )
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        rate = learning_rate * layer_decay ** (top - depths[name])
        if is_head(name, model):
            rate *= head_learning_rate_multiplier
        groups.setdefault((rate, 0.0 if is_bias_or_norm(name, parameter) else weight_decay), []).append(parameter)
    return [
        {"params": group, "peak_lr": rate, "lr": rate, "weight_decay": decay} for (rate, decay), group in groups.items()
    ]


def parameter_depths(model: PreTrainedModel) -> dict[str, int]:
    """Embeddings 0, block i -> i + 1; the pooler, a last norm and the head share the top."""
    names = [name for name, _ in model.named_parameters()]
    blocks = {name: int(match[1]) for name in names if (match := BLOCK.search(name))}
    top = max(blocks.values(), default=-1) + 2
    return {name: blocks[name] + 1 if name in blocks else 0 if EMBEDDING.search(name) else top for name in names}


def is_head(name: str, model: PreTrainedModel) -> bool:
    """The head is what stands outside the pretrained model."""
    return not name.startswith(f"{model.base_model_prefix}.")


def is_bias_or_norm(name: str, parameter: nn.Parameter) -> bool:
    return parameter.ndim < 2 or name.endswith("bias")

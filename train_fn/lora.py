"""LoRA (Hu et al. 2021, arXiv:2106.09685): learn an update of low rank in place of the matrices; by `peft`."""

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from train_fn.depth import is_head


def add_lora(model: PreTrainedModel, *, rank: int, alpha: float, dropout: float, targets: str) -> None:
    """From here on only the updates and the head learn; in place, and every name but the matrices' own stays.

    What was frozen before gets no update. The updates are drawn from torch's global stream.
    """
    from peft import LoraConfig, inject_adapter_in_model

    modules = target_modules(model, targets)
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=list(modules),
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in modules.values()),  # GPT-2's lie transposed
        bias="none",
    )
    inject_adapter_in_model(config, model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = "lora_" in name or is_head(name, model)


def target_modules(model: PreTrainedModel, targets: str) -> dict[str, nn.Module]:
    """The linear modules of the body that are meant, by full name."""
    linear = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and not is_head(name, model)
    }
    wanted = list(linear) if targets == "all-linear" else named(model, targets)
    for target in wanted:
        if not any(is_meant(name, target) for name in linear):
            known = ", ".join(sorted({name.rpartition(".")[2] for name in linear}))
            raise ValueError(
                f"`lora_targets` must be all-linear or names out of {known} for a model of type "
                f"{model.config.model_type}, got {target!r}; try all-linear"
            )
    learning = {
        name: module
        for name, module in linear.items()
        if module.weight.requires_grad and any(is_meant(name, target) for target in wanted)
    }
    if not learning:
        raise ValueError(
            f"`lora_targets` must name linear modules of the body that are not frozen, got {targets}; "
            "freeze fewer blocks, or leave out lora_rank"
        )
    return learning


def is_meant(name: str, target: str) -> bool:
    """A module is called by the end of its name: `dense`, or `attention.output.dense` where that says too little."""
    return f".{name}".endswith(f".{target}")


def named(model: PreTrainedModel, targets: str) -> list[str]:
    """`default`: those that the paper and its followers take, most often query and value."""
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as KNOWN

    if targets != "default":
        return [target.strip() for target in targets.split(",")]
    default = KNOWN.get(model.config.model_type)
    if not isinstance(default, list):  # Gemma 4's is a pattern for the tower of texts
        raise ValueError(
            f"`lora_targets` must name modules for a model of type {model.config.model_type}, which has no default, "
            "got default; try all-linear"
        )
    return default


def has_lora(model: nn.Module) -> bool:
    return any("lora_" in name for name, _ in model.named_parameters())


@torch.no_grad()
def merged_state_dict(model: nn.Module) -> dict[str, torch.Tensor]:
    """Of the plain model, whose matrices have taken the updates in; the model itself goes on as it is."""
    weights = {
        name.replace(".base_layer.", "."): tensor for name, tensor in model.state_dict().items() if ".lora_" not in name
    }
    for name, module in model.named_modules():
        if hasattr(module, "get_delta_weight") and hasattr(module, "base_layer"):
            weights[f"{name}.weight"] = module.base_layer.weight + module.get_delta_weight("default")
    return weights

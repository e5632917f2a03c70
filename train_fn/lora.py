"""LoRA (Hu et al. 2021, arXiv:2106.09685): learn an update of low rank in place of the matrices; by `peft`."""

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from train_fn.depth import is_head


def add_lora(model: PreTrainedModel, *, rank: int, alpha: float, dropout: float, targets: str) -> None:
    """From here on only the updates and the head learn; in place, and every name but the matrices' own stays."""
    from peft import LoraConfig, inject_adapter_in_model

    config = LoraConfig(
        r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=target_modules(model, targets), bias="none"
    )
    inject_adapter_in_model(config, model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = "lora_" in name or is_head(name, model)


def target_modules(model: PreTrainedModel, targets: str) -> list[str]:
    """Full names of the linear modules of the body that are meant."""
    linear = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and not is_head(name, model)
    ]
    if targets == "all-linear":
        return linear
    wanted = default_targets(model) if targets == "default" else [target.strip() for target in targets.split(",")]
    found = [name for name in linear if name.rpartition(".")[2] in wanted]
    for target in wanted:
        if not any(name.rpartition(".")[2] == target for name in found):
            known = ", ".join(sorted({name.rpartition(".")[2] for name in linear}))
            raise ValueError(
                f"`lora_targets` must be all-linear or names out of {known} for a {model.config.model_type} model, "
                f"got {target!r}; try all-linear"
            )
    return found


def default_targets(model: PreTrainedModel) -> list[str]:
    """Those that the paper and its followers take, most often query and value."""
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as KNOWN

    if model.config.model_type not in KNOWN:
        raise ValueError(
            f"`lora_targets` has no default for a {model.config.model_type} model, got default; try all-linear"
        )
    return list(KNOWN[model.config.model_type])


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

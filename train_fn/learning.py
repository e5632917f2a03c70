"""Which weights of a model learn, out of all that it has."""

from typing import Any

import torch
from transformers import PretrainedConfig, PreTrainedModel

from train_fn.architecture import check_blocks
from train_fn.config import TrainingConfig
from train_fn.depth import known_blocks
from train_fn.freezing import freeze
from train_fn.lora import add_lora
from train_fn.seeding import torch_stream


def choose_learning(model: PreTrainedModel, config: TrainingConfig) -> None:
    """Freeze and add LoRA's updates, in place. Raises a ValueError for what this model cannot follow."""
    check_blocks(
        model.config.model_type,
        known_blocks(model),
        freeze_blocks=config.freeze_blocks,
        layer_decay=config.layer_decay,
        unfreeze_every=config.unfreeze_every,
    )
    freeze(model, what=config.freeze, num_blocks=config.freeze_blocks)
    if config.lora_rank:
        with torch_stream(config.seed, "weights", 1):  # 0 drew the head
            add_lora(
                model,
                rank=config.lora_rank,
                alpha=config.lora_alpha,
                dropout=config.lora_dropout,
                targets=config.lora_targets,
            )


def check_learning(architecture: PretrainedConfig, kind: Any, config: TrainingConfig) -> None:
    """The same error before any weights are loaded; `kind` is OF_TEXTS or OF_IMAGES."""
    with torch.device("meta"):  # shapes without weights
        model = kind.from_config(architecture)
    choose_learning(model, config)

"""How a pretrained model becomes a model of our task."""

from collections.abc import Sequence
from pathlib import Path

import torch
import transformers
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    PretrainedConfig,
    PreTrainedModel,
)

from train_fn.config import TrainingConfig
from train_fn.data import DataConfig
from train_fn.dropout import set_dropouts
from train_fn.pretrained import locate
from train_fn.quiet import quiet
from train_fn.seeding import torch_stream
from train_fn.tiny import tiny_folder


def new_model(config: TrainingConfig, folder: Path, labels: Sequence[str]) -> PreTrainedModel:
    """The pretrained body with a head of new weights, or with its own where that fits; one output without labels."""
    architecture = read_architecture(folder)
    architecture.num_labels = max(1, len(labels))
    if labels:
        architecture.id2label = dict(enumerate(labels))
        architecture.label2id = {label: index for index, label in enumerate(labels)}
    else:
        architecture.problem_type = "regression"  # or pipelines take the sigmoid of the number
    set_dropouts(architecture, config)
    with torch_stream(config.seed, "weights"), quiet():
        if config.model == "tiny":
            return AutoModelForSequenceClassification.from_config(architecture, dtype=torch.float32)
        model = load_weights(folder, architecture)
        if config.replace_head:
            draw_head(model)
        return model


def model_folder(model: str, data: DataConfig) -> Path:
    return tiny_folder(data) if model == "tiny" else locate(model)


def saved_model(folder: Path) -> PreTrainedModel:
    """As a checkpoint holds it."""
    with quiet():
        return load_weights(folder, read_architecture(folder), new_head_allowed=False)


def read_architecture(folder: Path) -> PretrainedConfig:
    try:
        return AutoConfig.from_pretrained(folder)
    except ValueError as error:
        raise ValueError(
            f"`model` must be of an architecture that transformers {transformers.__version__} knows, "
            f"got another in {folder / 'config.json'}; upgrade transformers, or choose another model"
        ) from error


def load_weights(folder: Path, architecture: PretrainedConfig, *, new_head_allowed: bool = True) -> PreTrainedModel:
    model, found = AutoModelForSequenceClassification.from_pretrained(
        folder,
        config=architecture,
        dtype=torch.float32,  # the default is the file's own type: AdamW's steps get lost in bf16 weights
        use_safetensors=True,  # a pickle could run code
        ignore_mismatched_sizes=new_head_allowed,  # such as the head of another task
        output_loading_info=True,
    )
    body = f"{model.base_model_prefix}."
    new = [name for name in found["missing_keys"] if name.startswith(body) and "pooler" not in name]
    if new:
        raise ValueError(
            f"`model` must hold the weights of its body, got {folder} without {new[0]} and {len(new) - 1} others; "
            "check that its config.json is of the same model"
        )
    return model


def draw_head(model: PreTrainedModel) -> None:
    """New weights for what stands outside the pretrained body, drawn as the architecture draws its own."""
    for name, module in model.named_children():
        if name != model.base_model_prefix:
            for parameter in module.parameters():
                parameter._is_hf_initialized = False  # or transformers leaves it as it is
            module.apply(model._init_weights)

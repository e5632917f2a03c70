"""How a pretrained model becomes a model of our task."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import (
    AutoConfig,
    AutoModelForImageClassification,
    AutoModelForSequenceClassification,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES

from train_fn.config import ImageConfig, TrainingConfig
from train_fn.data import TextDataConfig
from train_fn.dropout import set_dropouts
from train_fn.image_size import resized
from train_fn.pretrained import locate
from train_fn.quiet import quiet
from train_fn.seeding import torch_stream
from train_fn.target_scale import last_layer
from train_fn.tiny import tiny_folder, tiny_vit

OF_TEXTS, OF_IMAGES = AutoModelForSequenceClassification, AutoModelForImageClassification


def new_model(config: TrainingConfig, folder: Path, task: str, labels: Sequence[str]) -> PreTrainedModel:
    """The pretrained body with a head of new weights, or with its own where that fits; one output without labels."""
    architecture = read_architecture(folder)
    set_task(architecture, task, labels)
    set_dropouts(architecture, config)
    with torch_stream(config.seed, "weights"), quiet():
        if config.model == "tiny":
            return OF_TEXTS.from_config(architecture, dtype=torch.float32)
        return pretrained(config, folder, architecture, OF_TEXTS)


def new_image_model(
    config: ImageConfig, folder: Path | None, size: int, task: str, labels: Sequence[str]
) -> PreTrainedModel:
    """The same for images of `size` pixels; without a folder a tiny one, all of new weights."""
    architecture = tiny_vit(size) if folder is None else read_architecture(folder)
    set_task(architecture, task, labels)
    set_dropouts(architecture, config)
    with torch_stream(config.seed, "weights"), quiet():
        if folder is None:
            return OF_IMAGES.from_config(architecture, dtype=torch.float32)
        return resized(pretrained(config, folder, architecture, OF_IMAGES), size)


def set_task(architecture: PretrainedConfig, task: str, labels: Sequence[str]) -> None:
    architecture.num_labels = max(1, len(labels))
    if labels:
        architecture.id2label = dict(enumerate(labels))
        architecture.label2id = {label: index for index, label in enumerate(labels)}
    architecture.problem_type = PROBLEM_TYPES[task]


# by which pipelines know what to make of the outputs: they take the sigmoid of a single one, say
PROBLEM_TYPES = {
    "classification": "single_label_classification",
    "multi_label": "multi_label_classification",
    "regression": "regression",
    "ranking": "regression",
}


def pretrained(config: TrainingConfig, folder: Path, architecture: PretrainedConfig, kind: Any) -> PreTrainedModel:
    model = load_weights(folder, architecture, kind)
    rows = rows_of_head(read_architecture(folder), architecture)
    if config.replace_head or rows is None:
        draw_head(model)
    elif rows != sorted(rows) and brought_head(model):
        order_head(model, rows)
    return model


def rows_of_head(saved: PretrainedConfig, wanted: PretrainedConfig) -> list[int] | None:
    """Which row of a saved head belongs to each label that is wanted; None if it tells other labels apart."""
    theirs, ours = (
        [str(described.id2label[row]) for row in range(described.num_labels)] for described in (saved, wanted)
    )
    if theirs == [f"LABEL_{row}" for row in range(len(theirs))]:  # nobody gave them names
        return list(range(len(ours)))
    return [theirs.index(label) for label in ours] if sorted(theirs) == sorted(ours) else None


def brought_head(model: PreTrainedModel) -> bool:
    """Whether the last layer came out of a file."""
    return hasattr(model, "drawn") and f"{last_layer(model)[0]}.weight" not in model.drawn


@torch.no_grad()
def order_head(model: PreTrainedModel, rows: list[int]) -> None:
    for tensor in last_layer(model)[1].parameters():
        tensor.copy_(tensor[rows])


def model_folder(model: str, data: TextDataConfig) -> Path:
    return tiny_folder(data) if model == "tiny" else locate(model)


def saved_model(folder: Path, kind: Any = OF_TEXTS) -> PreTrainedModel:
    """As a checkpoint holds it."""
    with quiet():
        return load_weights(folder, read_architecture(folder), kind, new_head_allowed=False)


def read_architecture(folder: Path) -> PretrainedConfig:
    try:
        return AutoConfig.from_pretrained(folder)
    except ValueError as error:
        raise ValueError(
            f"`model` must be of an architecture that transformers {transformers.__version__} knows, "
            f"got another in {folder / 'config.json'}; upgrade transformers, or choose another model"
        ) from error


def check_sees(folder: Path, size: int) -> None:
    """Raise a ValueError for a saved model that is not of images, or not of images of this size."""
    architecture = read_architecture(folder)
    if architecture.model_type not in MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES:
        raise ValueError(
            f"`model` must be one that classifies images, got one of type {architecture.model_type} in {folder}; "
            "choose a ViT, ConvNeXt, Swin or ResNet, say, or tiny"
        )
    with torch.device("meta"):  # shapes without weights
        resized(OF_IMAGES.from_config(architecture), size)


def load_weights(
    folder: Path, architecture: PretrainedConfig, kind: Any, *, new_head_allowed: bool = True
) -> PreTrainedModel:
    """`kind` is OF_TEXTS or OF_IMAGES."""
    model, found = kind.from_pretrained(
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
            f"`model` must hold the weights of its body, got {folder}, which lacks {len(new)} such as {new[0]}; "
            "check that its config.json is of the same model"
        )
    # names of the weights that no file had; `is_head` looks here, too
    model.drawn = {*found["missing_keys"], *(name for name, *_ in found["mismatched_keys"])}
    return model


def draw_head(model: PreTrainedModel) -> None:
    """New weights for what stands outside the pretrained body, drawn as the architecture draws its own."""
    for name, module in model.named_children():
        if name != model.base_model_prefix:
            for parameter in module.parameters():
                parameter._is_hf_initialized = False  # or transformers leaves it as it is
            module.apply(model._init_weights)
            model.drawn |= {f"{name}.{parameter}" for parameter, _ in module.named_parameters()}

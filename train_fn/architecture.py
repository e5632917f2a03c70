"""What a model's config.json tells of it before any library is imported, and which settings do not fit."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from train_fn.config import TrainingConfig
from train_fn.dropout import check_dropouts


@dataclass(frozen=True, kw_only=True)
class Architecture:
    model_type: str
    num_blocks: int  # encoder and decoder together; 0 where the config does not tell
    max_length: int | None  # tokens that it has positions for; None where any number will do


TINY = Architecture(model_type="bert", num_blocks=2, max_length=512)  # what train_fn/tiny.py makes

NUM_BLOCKS = ("num_hidden_layers", "n_layers", "n_layer", "num_layers", "encoder_layers")
POSITIONS = ("max_position_embeddings", "n_positions")
RELATIVE = ("t5", "xlnet", "funnel")  # positions are counted from one token to another, without end
OFFSET = {"roberta": 2, "xlm-roberta": 2, "camembert": 2, "mpnet": 2}  # positions begin behind that of padding


def read_architecture(folder: Path) -> Architecture:
    described = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    model_type = described.get("model_type", "unknown")
    positions = next((described[name] for name in POSITIONS if described.get(name)), None)
    return Architecture(
        model_type=model_type,
        num_blocks=num_blocks(described),
        max_length=None if positions is None or model_type in RELATIVE else positions - OFFSET.get(model_type, 0),
    )


def num_blocks(described: Mapping[str, Any]) -> int:
    if "depths" in described:  # of the stages of ResNet, ConvNeXt and Swin, which count as blocks
        return len(described["depths"])
    if described.get("model_type") == "albert":  # whose layers share the weights of their group
        return int(described.get("num_hidden_groups", 1))
    encoder = next((described[name] for name in NUM_BLOCKS if described.get(name)), 0)
    decoder = described.get("num_decoder_layers") or described.get("decoder_layers") or 0
    return int(encoder) + int(decoder)


def check_architecture(architecture: Architecture, config: TrainingConfig, max_length: int) -> None:
    """Raise a ValueError for a setting that the model cannot follow."""
    check_dropouts(architecture.model_type, config)
    if config.freeze_blocks > architecture.num_blocks > 0:
        raise ValueError(
            f"`freeze_blocks` must be at most the model's {architecture.num_blocks} blocks, "
            f"got {config.freeze_blocks}; try {architecture.num_blocks - 1}"
        )
    if architecture.max_length is not None and max_length > architecture.max_length:
        raise ValueError(
            f"`max_length` must be at most the model's {architecture.max_length}, got {max_length}; "
            f"try {architecture.max_length}"
        )

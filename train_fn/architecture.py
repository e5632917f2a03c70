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
    num_blocks: int  # encoder and decoder together; 0 where they are not known here
    max_length: int | None  # tokens that it has positions for; None where any number will do


# what train_fn/tiny.py makes
TINY = Architecture(model_type="bert", num_blocks=2, max_length=512)
TINY_VIT = Architecture(model_type="vit", num_blocks=4, max_length=None)

NUM_BLOCKS = ("encoder_layers", "num_hidden_layers", "n_layers", "n_layer", "num_layers")
STAGES = ("depths", "block_sizes")  # of ResNet, ConvNeXt and Swin, of Funnel: each stage counts as one block
# whose blocks are not in one list, or in more than the config tells
NOT_ONE_STACK = ("canine", "efficientnet", "flaubert", "swiftformer", "xlm")

POSITIONS = ("max_position_embeddings", "n_positions")
RELATIVE = ("t5", "mt5", "umt5", "xlnet", "funnel")  # positions are counted from one token to another, without end
# position 0 is that of padding, whose number is the token's own, and the first token comes behind it
BEHIND_PADDING = (
    "camembert",
    "data2vec-text",
    "esm",
    "ibert",
    "layoutlmv3",
    "lilt",
    "longformer",
    "luke",
    "markuplm",
    "roberta",
    "roberta-prelayernorm",
    "xlm-roberta",
    "xlm-roberta-xl",
    "xmod",
)

# whose layers `torch.func.vmap` goes through, with every dropout a module of its own
IN_LANES = (
    "albert",
    "bert",
    "camembert",
    "deit",
    "distilbert",
    "electra",
    "ernie",
    "roberta",
    "vit",
    "xlm-roberta",
)
ATTENTION_DROPOUT_IS_A_NUMBER = ("deit", "vit")  # and not a module, which could differ from lane to lane


def read_architecture(folder: Path) -> Architecture:
    described = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return Architecture(
        model_type=described.get("model_type", "unknown"),
        num_blocks=num_blocks(described),
        max_length=max_length(described),
    )


def num_blocks(described: Mapping[str, Any]) -> int:
    model_type = described.get("model_type")
    if model_type in NOT_ONE_STACK:
        return 0
    if model_type == "albert":  # whose layers share the weights of their group
        return int(described.get("num_hidden_groups", 1))
    stages = next((described[name] for name in STAGES if described.get(name)), None)
    if stages is not None:
        return len(stages)
    encoder = next((described[name] for name in NUM_BLOCKS if described.get(name)), 0)
    if not described.get("is_encoder_decoder"):
        return int(encoder)
    decoder = described.get("num_decoder_layers") or described.get("decoder_layers") or encoder  # T5 may leave it out
    return int(encoder) + int(decoder)


def max_length(described: Mapping[str, Any]) -> int | None:
    model_type = described.get("model_type")
    positions = next((described[name] for name in POSITIONS if described.get(name)), None)
    if positions is None or model_type in RELATIVE or described.get("position_biased_input") is False:  # DeBERTa's
        return None
    if model_type == "mpnet":  # whose number of padding is 1, whatever its tokenizer says
        return int(positions) - 2
    if model_type in BEHIND_PADDING:
        padding = described.get("pad_token_id")
        return int(positions) - (1 if padding is None else int(padding)) - 1
    return int(positions)


def check_architecture(architecture: Architecture, config: TrainingConfig, max_length: int | None) -> None:
    """Raise a ValueError for a setting that the model cannot follow; max_length is None where nothing has a length."""
    check_dropouts(architecture.model_type, config)
    check_blocks(
        architecture.model_type,
        architecture.num_blocks,
        freeze_blocks=config.freeze_blocks,
        layer_decay=config.layer_decay,
        unfreeze_every=config.unfreeze_every,
    )
    if config.fuse_trials:
        check_lanes(architecture.model_type, config.attention_dropout or 0.0)
    longest = architecture.max_length
    if max_length is not None and longest is not None and max_length > longest:
        raise ValueError(f"`max_length` must be at most the model's {longest}, got {max_length}; try {longest}")


def check_lanes(model_type: str, attention_dropout: float) -> None:
    """Raise a ValueError where trials of such a model cannot take their steps together."""
    if model_type not in IN_LANES:
        raise ValueError(
            f"`fuse_trials` must be false for a model of type {model_type}, got true; "
            f"leave it out, or try one of {', '.join(IN_LANES)}"
        )
    if attention_dropout and model_type in ATTENTION_DROPOUT_IS_A_NUMBER:
        raise ValueError(
            f"`attention_dropout` must be 0 beside fuse_trials for a model of type {model_type}, "
            f"got {attention_dropout}; set it to 0"
        )


def check_blocks(
    model_type: str,
    num_blocks: int,
    *,
    freeze_blocks: int = 0,
    layer_decay: float = 1.0,
    unfreeze_every: float | None = None,
) -> None:
    """Raise a ValueError for a setting that needs blocks which the model does not have."""
    if freeze_blocks > num_blocks > 0:
        raise ValueError(
            f"`freeze_blocks` must be at most the model's {num_blocks} blocks, got {freeze_blocks}; try {num_blocks}"
        )
    if num_blocks > 0:
        return
    for name, value, neutral in (
        ("freeze_blocks", freeze_blocks, 0),
        ("layer_decay", layer_decay, 1),
        ("unfreeze_every", unfreeze_every, None),
    ):
        if value != neutral:
            raise ValueError(
                f"`{name}` must be {neutral} for a model of type {model_type}, whose blocks are not known here, "
                f"got {value}; leave it out"
            )

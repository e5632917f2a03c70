"""A model of a few thousand random weights for each architecture: its settings, and how deep its parts lie.

The parts are named as each architecture names them, by hand: what is tested finds them out by rules.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForImageClassification,
    AutoModelForSequenceClassification,
    PretrainedConfig,
    PreTrainedModel,
)


@dataclass(frozen=True, kw_only=True)
class Small:
    settings: dict[str, Any]
    below: tuple[str, ...]  # modules and parameters of depth 0
    blocks: tuple[str, ...]  # lists of blocks, each standing on the one before
    above: tuple[str, ...] = ()  # what the body has on top
    head: tuple[str, ...]
    elsewhere: Mapping[str, int] = field(default_factory=dict)  # depth of the few other parts
    sees: bool = False  # images


LABELS = {"num_labels": 3}
BERT = LABELS | {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 40,
    "pad_token_id": 0,
}
LLAMA = BERT | {"num_key_value_heads": 1, "head_dim": 8}
T5 = LABELS | {
    "vocab_size": 50,
    "d_model": 16,
    "d_kv": 8,
    "d_ff": 32,
    "num_layers": 3,
    "num_decoder_layers": 2,
    "num_heads": 2,
    "decoder_start_token_id": 0,
}
VIT = LABELS | {
    "image_size": 8,
    "patch_size": 4,
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}


def bert(name: str, *above: str, head: tuple[str, ...] = ("classifier",), **settings: Any) -> Small:
    return Small(
        settings=BERT | settings,
        below=(f"{name}.embeddings",),
        blocks=(f"{name}.encoder.layer",),
        above=tuple(f"{name}.{part}" for part in above),
        head=head,
    )


def decoder(**settings: Any) -> Small:
    return Small(
        settings=LLAMA | settings,
        below=("model.embed_tokens",),
        blocks=("model.layers",),
        above=("model.norm",),
        head=("score",),
    )


def t5(**settings: Any) -> Small:
    return Small(
        settings=T5 | settings,
        below=("transformer.shared",),
        blocks=("transformer.encoder.block", "transformer.decoder.block"),
        above=("transformer.decoder.final_layer_norm",),
        head=("classification_head",),
        elsewhere={"transformer.encoder.final_layer_norm": 3},
    )


SMALL_MODELS: Mapping[str, Small] = {
    "bert": bert("bert", "pooler"),
    "roberta": bert("roberta"),
    "xlm-roberta": bert("roberta"),
    "camembert": bert("roberta"),
    "ernie": bert("ernie", "pooler"),
    "mobilebert": bert("mobilebert", "pooler", embedding_size=16, intra_bottleneck_size=8, num_feedforward_networks=2),
    "convbert": bert("convbert", embedding_size=16, conv_kernel_size=3),
    "big_bird": bert("bert", "pooler", attention_type="original_full"),
    "nystromformer": bert("nystromformer", segment_means_seq_len=7, num_landmarks=7),
    "electra": Small(
        settings=BERT | {"embedding_size": 8},
        below=("electra.embeddings", "electra.embeddings_project"),
        blocks=("electra.encoder.layer",),
        head=("classifier",),
    ),
    "albert": Small(  # three passes through one block
        settings=BERT | {"embedding_size": 8},
        below=("albert.embeddings", "albert.encoder.embedding_hidden_mapping_in"),
        blocks=("albert.encoder.albert_layer_groups",),
        above=("albert.pooler",),
        head=("classifier",),
    ),
    "rembert": Small(
        settings=BERT | {"input_embedding_size": 8},
        below=("rembert.embeddings", "rembert.encoder.embedding_hidden_mapping_in"),
        blocks=("rembert.encoder.layer",),
        above=("rembert.pooler",),
        head=("classifier",),
    ),
    "deberta": Small(
        settings=BERT | {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False},
        below=("deberta.embeddings", "deberta.encoder.rel_embeddings"),
        blocks=("deberta.encoder.layer",),
        head=("pooler", "classifier"),
    ),
    "deberta-v2": Small(
        settings=BERT
        | {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False}
        | {"norm_rel_ebd": "layer_norm", "conv_kernel_size": 3},
        below=("deberta.embeddings", "deberta.encoder.rel_embeddings", "deberta.encoder.LayerNorm"),
        blocks=("deberta.encoder.layer",),
        head=("pooler", "classifier"),
        elsewhere={"deberta.encoder.conv": 1},  # whose result is added to that of the first block
    ),
    "mpnet": Small(
        settings=BERT | {"pad_token_id": 1},
        below=("mpnet.embeddings", "mpnet.encoder.relative_attention_bias"),
        blocks=("mpnet.encoder.layer",),
        head=("classifier",),
    ),
    "squeezebert": Small(
        settings=BERT
        | {"embedding_size": 16}
        | {f"{part}_groups": 2 for part in ("q", "k", "v", "post_attention", "intermediate", "output")},
        below=("transformer.embeddings",),
        blocks=("transformer.encoder.layers",),
        above=("transformer.pooler",),
        head=("classifier",),
    ),
    "roformer": Small(
        settings=BERT | {"embedding_size": 16},
        below=("roformer.embeddings", "roformer.encoder.embed_positions"),
        blocks=("roformer.encoder.layer",),
        head=("classifier",),
    ),
    "funnel": Small(
        settings=LABELS
        | {"vocab_size": 50, "d_model": 16, "n_head": 2, "d_head": 8, "d_inner": 32, "block_sizes": [1, 2, 1]},
        below=("funnel.embeddings",),
        blocks=("funnel.encoder.blocks",),
        head=("classifier",),
    ),
    "distilbert": Small(
        settings=LABELS
        | {"vocab_size": 50, "dim": 16, "n_layers": 3, "n_heads": 2, "hidden_dim": 32, "pad_token_id": 0}
        | {"max_position_embeddings": 40},
        below=("distilbert.embeddings",),
        blocks=("distilbert.transformer.layer",),
        head=("pre_classifier", "classifier"),
    ),
    "modernbert": Small(
        settings=BERT,
        below=("model.embeddings",),
        blocks=("model.layers",),
        above=("model.final_norm",),
        head=("head", "classifier"),
    ),
    "gpt2": Small(
        settings=LABELS
        | {"vocab_size": 50, "n_embd": 16, "n_layer": 3, "n_head": 2, "n_positions": 40}
        | {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1},
        below=("transformer.wte", "transformer.wpe"),
        blocks=("transformer.h",),
        above=("transformer.ln_f",),
        head=("score",),
    ),
    "bart": Small(
        settings=LABELS
        | {"vocab_size": 50, "d_model": 16, "encoder_layers": 3, "decoder_layers": 2, "max_position_embeddings": 40}
        | {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16},
        below=(
            "model.shared",
            "model.encoder.embed_positions",
            "model.encoder.layernorm_embedding",
            "model.decoder.embed_positions",
            "model.decoder.layernorm_embedding",
        ),
        blocks=("model.encoder.layers", "model.decoder.layers"),
        head=("classification_head",),
    ),
    "t5": t5(),
    "mt5": t5(),
    "xlnet": Small(
        settings=LABELS | {"vocab_size": 50, "d_model": 16, "n_layer": 3, "n_head": 2, "d_inner": 32},
        below=("transformer.word_embedding", "transformer.mask_emb"),
        blocks=("transformer.layer",),
        head=("sequence_summary", "logits_proj"),
    ),
    "llama": decoder(),
    "mistral": decoder(),
    "qwen2": decoder(),
    "qwen3": decoder(),
    "vit": Small(
        settings=VIT,
        below=("vit.embeddings",),
        blocks=("vit.layers",),
        above=("vit.layernorm",),
        head=("classifier",),
        sees=True,
    ),
    "deit": Small(
        settings=VIT | {"architectures": ["DeiTForImageClassification"]},  # there is another, with a teacher
        below=("deit.embeddings",),
        blocks=("deit.layers",),
        above=("deit.layernorm",),
        head=("classifier",),
        sees=True,
    ),
    "beit": Small(
        settings=VIT
        | {"use_relative_position_bias": True, "use_absolute_position_embeddings": True}
        | {"use_mask_token": True, "drop_path_rate": 0.0},
        below=("beit.embeddings",),
        blocks=("beit.layers",),
        above=("beit.pooler",),
        head=("classifier",),
        sees=True,
    ),
    "swin": Small(  # whose stages count as blocks
        settings=LABELS
        | {"image_size": 16, "patch_size": 2, "embed_dim": 8, "depths": [1, 2], "num_heads": [1, 2], "window_size": 2}
        | {"drop_path_rate": 0.0},
        below=("swin.embeddings",),
        blocks=("swin.encoder.layers",),
        above=("swin.layernorm",),
        head=("classifier",),
        sees=True,
    ),
    "resnet": Small(
        settings=LABELS | {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 2], "layer_type": "basic"},
        below=("resnet.embedder",),
        blocks=("resnet.encoder.stages",),
        head=("classifier",),
        sees=True,
    ),
    "convnext": Small(
        settings=LABELS | {"hidden_sizes": [8, 16], "depths": [1, 2], "num_stages": 2, "layer_scale_init_value": 1.0},
        below=("convnext.embeddings",),
        blocks=("convnext.encoder.stages",),
        above=("convnext.layernorm",),
        head=("classifier",),
        sees=True,
    ),
}


def architecture(name: str, **settings: Any) -> PretrainedConfig:
    return AutoConfig.for_model(name, **(SMALL_MODELS[name].settings | settings))


def build(config: PretrainedConfig) -> PreTrainedModel:
    """The same weights each time."""
    small = SMALL_MODELS.get(config.model_type)
    kind = AutoModelForImageClassification if small and small.sees else AutoModelForSequenceClassification
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return kind.from_config(config, attn_implementation="eager")


def inputs(config: PretrainedConfig, length: int = 7) -> dict[str, torch.Tensor]:
    """Two texts of full length, or two images."""
    generator = torch.Generator().manual_seed(0)
    if SMALL_MODELS[config.model_type].sees:
        size = getattr(config, "image_size", 32)
        return {"pixel_values": torch.randn(2, 3, size, size, generator=generator)}
    ids = torch.randint(5, 50, (2, length), generator=generator)
    if config.is_encoder_decoder:
        ids[:, -1] = config.eos_token_id  # where the head looks
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def parameters_of(model: PreTrainedModel, *paths: str) -> set[str]:
    """Names of the parameters that are, or are inside, what the paths lead to."""
    found: set[int] = set()
    for path in paths:
        part = model.get_parameter(path) if path in dict(model.named_parameters()) else model.get_submodule(path)
        found |= {id(part)} if isinstance(part, nn.Parameter) else {id(parameter) for parameter in part.parameters()}
    return {name for name, parameter in model.named_parameters() if id(parameter) in found}


def depths_by_hand(model: PreTrainedModel) -> dict[str, int]:
    """Of every parameter, by going through the parts named above; one that is in none of them is left out."""
    small = SMALL_MODELS[model.config.model_type]
    blocks = [f"{path}.{index}" for path in small.blocks for index in range(len(model.get_submodule(path)))]
    depths = dict.fromkeys(parameters_of(model, *small.above, *small.head), len(blocks) + 1)
    for depth, block in enumerate(blocks, start=1):
        depths |= dict.fromkeys(parameters_of(model, block), depth)
    for path, depth in small.elsewhere.items():
        depths |= dict.fromkeys(parameters_of(model, path), depth)
    return depths | dict.fromkeys(parameters_of(model, *small.below), 0)

import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from train_fn.layer_decay import parameter_depths, parameter_groups

SMALL = {
    "vocab_size": 50,
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 40,
    "pad_token_id": 0,
    "num_labels": 3,
}
DISTIL = {"vocab_size": 50, "dim": 16, "n_layers": 3, "n_heads": 2, "hidden_dim": 32, "pad_token_id": 0}

# architecture: (settings, {module: depth}); the longest module that begins a parameter's name is the one it is in
ARCHITECTURES = {
    "bert": (
        SMALL,
        {
            "bert.embeddings": 0,
            "bert.encoder.layer.0": 1,
            "bert.encoder.layer.1": 2,
            "bert.encoder.layer.2": 3,
            "bert.pooler": 4,
            "classifier": 4,
        },
    ),
    "roberta": (
        SMALL,
        {
            "roberta.embeddings": 0,
            "roberta.encoder.layer.0": 1,
            "roberta.encoder.layer.1": 2,
            "roberta.encoder.layer.2": 3,
            "classifier": 4,
        },
    ),
    "distilbert": (
        DISTIL,
        {
            "distilbert.embeddings": 0,
            "distilbert.transformer.layer.0": 1,
            "distilbert.transformer.layer.1": 2,
            "distilbert.transformer.layer.2": 3,
            "pre_classifier": 4,
            "classifier": 4,
        },
    ),
    "electra": (
        SMALL | {"embedding_size": 8},
        {
            "electra.embeddings": 0,
            "electra.embeddings_project": 0,
            "electra.encoder.layer.0": 1,
            "electra.encoder.layer.1": 2,
            "electra.encoder.layer.2": 3,
            "classifier": 4,
        },
    ),
    "albert": (  # three passes through one block
        SMALL | {"embedding_size": 8},
        {
            "albert.embeddings": 0,
            "albert.encoder.embedding_hidden_mapping_in": 0,
            "albert.encoder.albert_layer_groups.0": 1,
            "albert.pooler": 2,
            "classifier": 2,
        },
    ),
    "modernbert": (
        SMALL,
        {
            "model.embeddings": 0,
            "model.layers.0": 1,
            "model.layers.1": 2,
            "model.layers.2": 3,
            "model.final_norm": 4,
            "head": 4,
            "classifier": 4,
        },
    ),
    "deberta-v2": (
        SMALL | {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
        {
            "deberta.embeddings": 0,
            "deberta.encoder.rel_embeddings": 0,
            "deberta.encoder.layer.0": 1,
            "deberta.encoder.layer.1": 2,
            "deberta.encoder.layer.2": 3,
            "pooler": 4,
            "classifier": 4,
        },
    ),
}


def random_model(architecture):
    settings, _ = ARCHITECTURES[architecture]
    with torch.random.fork_rng():
        return AutoModelForSequenceClassification.from_config(AutoConfig.for_model(architecture, **settings))


def groups_by_name(model, **settings):
    defaults = {"learning_rate": 1.0, "layer_decay": 0.5, "head_learning_rate_multiplier": 1.0, "weight_decay": 0.1}
    groups = parameter_groups(model, **(defaults | settings))
    names = {parameter: name for name, parameter in model.named_parameters()}
    return {names[parameter]: group for group in groups for parameter in group["params"]}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_parameter_has_the_depth_of_its_module(architecture):
    _, expected = ARCHITECTURES[architecture]
    depths = parameter_depths(random_model(architecture))
    modules = {name: max((m for m in expected if name.startswith(f"{m}.")), key=len) for name in depths}
    assert depths == {name: expected[module] for name, module in modules.items()}
    assert set(modules.values()) == set(expected)  # the table above names no module that is not there


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_rate_falls_by_one_factor_per_block_and_each_parameter_is_in_one_group(architecture):
    model = random_model(architecture)
    depths, groups = parameter_depths(model), groups_by_name(model)
    assert len(groups) == sum(len(group["params"]) for group in {id(g): g for g in groups.values()}.values())
    assert {name: group["lr"] for name, group in groups.items()} == {
        name: 0.5 ** (max(depths.values()) - depth) for name, depth in depths.items()
    }


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_only_matrices_of_weights_decay(architecture):
    for name, group in groups_by_name(random_model(architecture)).items():
        spared = name.endswith("bias") or "norm" in name.lower()
        assert group["weight_decay"] == (0.0 if spared else 0.1), name


def test_the_multiplier_raises_the_head_alone():
    plain, raised = (
        groups_by_name(random_model("bert"), head_learning_rate_multiplier=multiplier) for multiplier in (1.0, 10.0)
    )
    ratios = {name: raised[name]["lr"] / plain[name]["lr"] for name in plain}
    assert ratios == {name: 10 if name.startswith("classifier") else 1 for name in plain}


def test_without_layer_decay_all_rates_are_equal_and_two_groups_are_left():
    groups = groups_by_name(random_model("bert"), layer_decay=1.0)
    assert {group["lr"] for group in groups.values()} == {1.0}
    assert len({id(group) for group in groups.values()}) == 2


def test_a_stack_that_is_not_known_is_refused_unless_all_blocks_learn_alike():
    settings = {"vocab_size": 50, "d_model": 16, "encoder_layers": 1, "decoder_layers": 1}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    with torch.random.fork_rng():
        model = AutoModelForSequenceClassification.from_config(AutoConfig.for_model("bart", **settings, **heads))
    groups_by_name(model, layer_decay=1.0)
    with pytest.raises(ValueError, match="`layer_decay` must be 1 for a bart model"):
        groups_by_name(model, layer_decay=0.9)

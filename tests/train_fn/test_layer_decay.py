import pytest
from transformers import AutoConfig

from train_fn.layer_decay import parameter_depths, parameter_groups

# architecture: {module: depth}; the longest module that begins a parameter's name is the one it is in
ARCHITECTURES = {
    "bert": {
        "bert.embeddings": 0,
        "bert.encoder.layer.0": 1,
        "bert.encoder.layer.1": 2,
        "bert.encoder.layer.2": 3,
        "bert.pooler": 4,
        "classifier": 4,
    },
    "roberta": {
        "roberta.embeddings": 0,
        "roberta.encoder.layer.0": 1,
        "roberta.encoder.layer.1": 2,
        "roberta.encoder.layer.2": 3,
        "classifier": 4,
    },
    "distilbert": {
        "distilbert.embeddings": 0,
        "distilbert.transformer.layer.0": 1,
        "distilbert.transformer.layer.1": 2,
        "distilbert.transformer.layer.2": 3,
        "pre_classifier": 4,
        "classifier": 4,
    },
    "electra": {
        "electra.embeddings": 0,
        "electra.embeddings_project": 0,
        "electra.encoder.layer.0": 1,
        "electra.encoder.layer.1": 2,
        "electra.encoder.layer.2": 3,
        "classifier": 4,
    },
    "albert": {  # three passes through one block
        "albert.embeddings": 0,
        "albert.encoder.embedding_hidden_mapping_in": 0,
        "albert.encoder.albert_layer_groups.0": 1,
        "albert.pooler": 2,
        "classifier": 2,
    },
    "modernbert": {
        "model.embeddings": 0,
        "model.layers.0": 1,
        "model.layers.1": 2,
        "model.layers.2": 3,
        "model.final_norm": 4,
        "head": 4,
        "classifier": 4,
    },
    "deberta-v2": {
        "deberta.embeddings": 0,
        "deberta.encoder.rel_embeddings": 0,
        "deberta.encoder.layer.0": 1,
        "deberta.encoder.layer.1": 2,
        "deberta.encoder.layer.2": 3,
        "pooler": 4,
        "classifier": 4,
    },
}


@pytest.fixture
def model(random_model, small_architecture):
    return lambda name: random_model(small_architecture(name))


def groups_by_name(model, **settings):
    defaults = {"learning_rate": 1.0, "layer_decay": 0.5, "head_learning_rate_multiplier": 1.0, "weight_decay": 0.1}
    groups = parameter_groups(model, **(defaults | settings))
    names = {parameter: name for name, parameter in model.named_parameters()}
    return {names[parameter]: group for group in groups for parameter in group["params"]}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_parameter_has_the_depth_of_its_module(model, architecture):
    expected = ARCHITECTURES[architecture]
    depths = parameter_depths(model(architecture))
    modules = {name: max((m for m in expected if name.startswith(f"{m}.")), key=len) for name in depths}
    assert depths == {name: expected[module] for name, module in modules.items()}
    assert set(modules.values()) == set(expected)  # the table above names no module that is not there


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_rate_falls_by_one_factor_per_block(model, architecture):
    built = model(architecture)
    depths = parameter_depths(built)
    assert {name: group["lr"] for name, group in groups_by_name(built).items()} == {
        name: 0.5 ** (max(depths.values()) - depth) for name, depth in depths.items()
    }


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_parameter_is_in_exactly_one_group(model, architecture):
    built = model(architecture)
    groups = {id(group): group for group in groups_by_name(built).values()}.values()
    assert sorted(map(id, built.parameters())) == sorted(id(p) for group in groups for p in group["params"])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_only_matrices_of_weights_decay(model, architecture):
    for name, group in groups_by_name(model(architecture)).items():
        spared = name.endswith("bias") or "norm" in name.lower()
        assert group["weight_decay"] == (0.0 if spared else 0.1), name


def test_the_multiplier_raises_the_head_alone(model):
    plain, raised = (
        groups_by_name(model("bert"), head_learning_rate_multiplier=multiplier) for multiplier in (1.0, 10.0)
    )
    ratios = {name: raised[name]["lr"] / plain[name]["lr"] for name in plain}
    assert ratios == {name: 10 if name.startswith("classifier") else 1 for name in plain}


def test_without_layer_decay_all_rates_are_equal_and_two_groups_are_left(model):
    groups = groups_by_name(model("bert"), layer_decay=1.0)
    assert {group["lr"] for group in groups.values()} == {1.0}
    assert len({id(group) for group in groups.values()}) == 2


def test_a_stack_that_is_not_known_is_refused_unless_all_blocks_learn_alike(random_model):
    settings = {"vocab_size": 50, "d_model": 16, "encoder_layers": 1, "decoder_layers": 1}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    bart = random_model(AutoConfig.for_model("bart", **settings, **heads))
    groups_by_name(bart, layer_decay=1.0)
    with pytest.raises(ValueError, match="`layer_decay` must be 1 for a bart model"):
        groups_by_name(bart, layer_decay=0.9)

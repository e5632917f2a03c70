import pytest
import torch
from transformers import AutoConfig
from transformers.pytorch_utils import Conv1D

from tests.train_fn.small_models import SMALL_MODELS, architecture, build, depths_by_hand, parameters_of
from train_fn.depth import parameter_depths
from train_fn.layer_decay import parameter_groups
from train_fn.lora import add_lora

WITH_LINEAR_BLOCKS = [name for name in SMALL_MODELS if name not in ("resnet", "squeezebert")]

# matrices that are multiplied with something, and so decay though no module of torch holds them
BARE_MATRICES = {"q", "k", "v", "o", "r", "r_kernel", "seg_embed"}
HAVE_A_MATRIX = (torch.nn.Linear, torch.nn.Embedding, torch.nn.Conv1d, torch.nn.Conv2d, Conv1D)


@pytest.fixture
def model():
    return lambda name, **settings: build(architecture(name, **settings))


def groups_by_name(model, **settings):
    defaults = {"learning_rate": 1.0, "layer_decay": 0.5, "head_learning_rate_multiplier": 1.0, "weight_decay": 0.1}
    groups = parameter_groups(model, **(defaults | settings))
    names = {parameter: name for name, parameter in model.named_parameters()}
    return {names[parameter]: group for group in groups for parameter in group["params"]}


@pytest.mark.parametrize("name", SMALL_MODELS)
def test_every_parameter_has_the_depth_of_its_module(model, name):
    built = model(name)
    assert parameter_depths(built) == depths_by_hand(built)


@pytest.mark.parametrize("name", WITH_LINEAR_BLOCKS)
def test_an_update_of_low_rank_lies_as_deep_as_its_matrix(model, name):
    built = model(name)
    add_lora(built, rank=2, alpha=4.0, dropout=0.0, targets="all-linear")
    depths = parameter_depths(built)
    assert depths == depths_by_hand(built)
    top = max(depths.values())
    assert {depths[name] for name in depths if "lora_" in name} >= set(range(1, top))


def test_positions_that_all_blocks_share_lie_below_them(model):
    shared = model("beit", use_relative_position_bias=False, use_shared_relative_position_bias=True)
    assert parameter_depths(shared)["beit.shared_position_bias.relative_position_bias_table"] == 0


@pytest.mark.parametrize("name", SMALL_MODELS)
def test_the_rate_falls_by_one_factor_per_block_and_the_head_has_its_own(model, name):
    built = model(name)
    depths, head = depths_by_hand(built), parameters_of(built, *SMALL_MODELS[name].head)
    groups = groups_by_name(built, learning_rate=3.0, layer_decay=0.5, head_learning_rate_multiplier=10.0)
    expected = {name: 3 * 0.5 ** (max(depths.values()) - depth) for name, depth in depths.items()}
    expected = {name: rate for name, rate in expected.items() if built.get_parameter(name).requires_grad}
    expected |= {name: 30.0 for name in head}
    assert {name: group["lr"] for name, group in groups.items()} == expected
    assert {name: group["peak_lr"] for name, group in groups.items()} == expected


@pytest.mark.parametrize("name", SMALL_MODELS)
def test_every_parameter_is_in_exactly_one_group_and_there_are_no_more_groups_than_rates(model, name):
    built = model(name)
    groups = parameter_groups(
        built, learning_rate=1.0, layer_decay=0.5, head_learning_rate_multiplier=1.0, weight_decay=0.1
    )
    learning = [parameter for parameter in built.parameters() if parameter.requires_grad]  # not RoFormer's positions
    assert sorted(map(id, learning)) == sorted(id(p) for group in groups for p in group["params"])
    named, depths = dict(built.named_parameters()), depths_by_hand(built)
    for group in groups:
        assert [named[name] is parameter for name, parameter in zip(group["names"], group["params"], strict=True)]
        assert [depths[name] for name in group["names"]] == group["depths"]
    assert len({(group["peak_lr"], group["weight_decay"]) for group in groups}) == len(groups)


@pytest.mark.parametrize("name", SMALL_MODELS)
def test_only_what_is_multiplied_decays(model, name):
    built = model(name)
    for name, group in groups_by_name(built).items():
        owner, _, own = name.rpartition(".")
        matrix = own == "weight" and isinstance(built.get_submodule(owner), HAVE_A_MATRIX)
        decays = (matrix and not owner.endswith("relative_attention_bias")) or own in BARE_MATRICES
        assert group["weight_decay"] == (0.1 if decays else 0.0), name


@pytest.mark.parametrize("name", ["vit", "deit", "beit", "swin"])
def test_tokens_and_positions_of_their_own_do_not_decay(model, name):
    spared = {name for name, group in groups_by_name(model(name)).items() if group["weight_decay"] == 0}
    expected = {
        "vit": {"vit.embeddings.cls_token", "vit.embeddings.position_embeddings"},
        "deit": {f"deit.embeddings.{part}" for part in ("cls_token", "distillation_token", "position_embeddings")},
        "beit": {f"beit.embeddings.{part}" for part in ("cls_token", "mask_token", "position_embeddings")},
        "swin": set(),
    }[name]
    assert expected == {name for name in spared if name.split(".")[1] == "embeddings" and name.count(".") == 2}
    tables = {name for name in parameter_depths(model(name)) if name.endswith("bias_table")}
    assert tables <= spared and bool(tables) == (name in ("beit", "swin"))


def test_what_is_frozen_is_in_no_group(model):
    built = model("bert")
    frozen = parameters_of(built, "bert.embeddings", "bert.encoder.layer.1")
    for name in frozen:
        built.get_parameter(name).requires_grad = False
    assert set(groups_by_name(built)) == {name for name, _ in built.named_parameters()} - frozen


def test_without_layer_decay_all_rates_are_equal(model):
    assert {group["lr"] for group in groups_by_name(model("bert"), layer_decay=1.0).values()} == {1.0}


def test_blocks_that_are_not_known_are_refused_unless_they_learn_alike():
    xlm = build(AutoConfig.for_model("xlm", vocab_size=50, emb_dim=16, n_layers=2, n_heads=2, pad_index=0))
    groups_by_name(xlm, layer_decay=1.0)
    with pytest.raises(ValueError) as error:
        groups_by_name(xlm, layer_decay=0.9)
    assert str(error.value) == (
        "`layer_decay` must be 1 for a model of type xlm, whose blocks are not known here, got 0.9; leave it out"
    )


def test_more_blocks_than_the_config_tells_of_are_not_known(model):
    bert = model("bert")
    bert.config.num_hidden_layers = 2  # as of a model with two stacks
    with pytest.raises(ValueError, match="whose blocks are not known here"):
        groups_by_name(bert)

from fractions import Fraction

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers import AutoConfig

from tests.train_fn.small_models import SMALL_MODELS, architecture, build, depths_by_hand, inputs, parameters_of
from train_fn.freezing import freeze, lowest_unfrozen, unfreeze
from train_fn.layer_decay import parameter_groups


def learning(model):
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def optimizer_of(model):
    groups = parameter_groups(
        model, learning_rate=0.1, layer_decay=1.0, head_learning_rate_multiplier=1.0, weight_decay=0.1
    )
    return torch.optim.AdamW(groups)


def flags(optimizer):
    return [parameter.requires_grad for group in optimizer.param_groups for parameter in group["params"]]


def epochs_when_all_learn(model):
    """With a block for each epoch: the head is there at 0, the embeddings come last."""
    return max(depths_by_hand(model).values())


@pytest.mark.parametrize("name", SMALL_MODELS)
def test_frozen_embeddings_leave_the_rest(name):
    model = build(architecture(name))
    freeze(model, what="embeddings", num_blocks=0)
    assert learning(model) == {name for name, depth in depths_by_hand(model).items() if depth > 0}


@pytest.mark.parametrize("name", SMALL_MODELS)
def test_a_frozen_backbone_leaves_the_head(name):
    model = build(architecture(name))
    freeze(model, what="backbone", num_blocks=0)
    assert learning(model) == parameters_of(model, *SMALL_MODELS[name].head)


@pytest.mark.parametrize("name", SMALL_MODELS)
def test_frozen_blocks_take_the_embeddings_with_them(name):
    model = build(architecture(name))
    depths, may_learn = depths_by_hand(model), learning(model)  # all but RoFormer's positions
    for num_blocks in range(max(depths.values())):
        freeze(model, what="nothing", num_blocks=num_blocks)
        assert learning(model) == {name for name in may_learn if depths[name] > num_blocks or num_blocks == 0}


def test_nothing_is_frozen_unless_asked_for():
    model = build(architecture("bert"))
    freeze(model, what="nothing", num_blocks=0)
    assert learning(model) == {name for name, _ in model.named_parameters()}


@pytest.mark.parametrize(("name", "blocks"), [("bert", 3), ("albert", 1), ("t5", 5), ("resnet", 2)])
def test_more_frozen_blocks_than_blocks_are_refused(name, blocks):
    with pytest.raises(ValueError) as error:
        freeze(build(architecture(name)), what="nothing", num_blocks=blocks + 1)
    assert str(error.value) == (
        f"`freeze_blocks` must be at most the model's {blocks} blocks, got {blocks + 1}; try {blocks}"
    )


def test_blocks_that_are_not_known_cannot_be_frozen_and_the_rest_can():
    xlm = build(AutoConfig.for_model("xlm", vocab_size=50, emb_dim=16, n_layers=2, n_heads=2, pad_index=0))
    with pytest.raises(ValueError, match="^`freeze_blocks` must be 0 for a model of type xlm, whose blocks are not"):
        freeze(xlm, what="nothing", num_blocks=1)
    freeze(xlm, what="backbone", num_blocks=0)
    assert learning(xlm) == parameters_of(xlm, "sequence_summary")


def test_bert_thaws_from_the_head_down():
    model = build(architecture("bert"))
    optimizer = optimizer_of(model)
    thawed = ["classifier", "bert.pooler"]
    for epoch, part in enumerate([None, *(f"bert.encoder.layer.{block}" for block in (2, 1, 0)), "bert.embeddings"]):
        thawed += [part] if part else []
        for within in (0.0, 0.5, 0.99):
            unfreeze(optimizer, epoch + within, 1.0)
            assert learning(model) == parameters_of(model, *thawed)
    unfreeze(optimizer, 100.0, 1.0)
    assert learning(model) == {name for name, _ in model.named_parameters()}


@pytest.mark.parametrize("name", ["bert", "albert", "deberta-v2", "mpnet", "gpt2", "t5", "bart", "vit", "resnet"])
@pytest.mark.parametrize("every", [1.0, 0.1, 2.5])
def test_after_each_interval_one_depth_more_learns(name, every):
    model = build(architecture(name))
    optimizer, depths = optimizer_of(model), depths_by_hand(model)
    from_the_top = sorted(set(depths.values()), reverse=True)
    for intervals in range(epochs_when_all_learn(model) + 2):
        unfreeze(optimizer, intervals * every, every)
        thawed = from_the_top[: intervals + 1]
        assert learning(model) == {name for name, depth in depths.items() if depth in thawed}


@pytest.mark.parametrize("frozen", [{"what": "embeddings", "num_blocks": 0}, {"what": "nothing", "num_blocks": 2}])
def test_what_is_frozen_for_good_never_thaws(frozen):
    model = build(architecture("bert"))
    freeze(model, **frozen)
    may_learn, optimizer = learning(model), optimizer_of(model)
    for epoch in range(9):
        unfreeze(optimizer, float(epoch), 1.0)
        assert learning(model) <= may_learn
    assert learning(model) == may_learn


@settings(deadline=None)
@given(epochs=st.lists(st.floats(0, 9), min_size=1, max_size=5), every=st.sampled_from([0.25, 0.5, 1.0]))
def test_what_learns_follows_from_the_position_alone(epochs, every):
    wandered, straight = (optimizer_of(build(architecture("bert", num_hidden_layers=4))) for _ in range(2))
    for epoch in epochs:
        unfreeze(wandered, epoch, every)
    unfreeze(straight, epochs[-1], every)
    assert flags(wandered) == flags(straight)


@example(top=9, step=3, epoch_steps=10, tenths=1)
@given(
    top=st.integers(1, 30), step=st.integers(0, 100_000), epoch_steps=st.integers(1, 5_000), tenths=st.integers(1, 40)
)
def test_a_block_is_thawed_at_the_very_step_that_exact_fractions_give(top, step, epoch_steps, tenths):
    """Floats would say one step too late where 0.3 / 0.1 is 2.9999999999999996."""
    intervals = Fraction(step, epoch_steps) / Fraction(tenths, 10)
    assert lowest_unfrozen(top, step / epoch_steps, tenths / 10) == top - intervals.numerator // intervals.denominator


def test_a_step_moves_what_learns_and_nothing_else():
    """Weight decay and the optimizer's moments would move a weight without any gradient."""
    model = build(architecture("bert")).train()
    optimizer = optimizer_of(model)
    for epoch in (0.0, 3.0, 1.0):  # so that the moments of what is frozen again are not 0
        unfreeze(optimizer, epoch, 1.0)
        before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
        optimizer.zero_grad()
        model(**inputs(model.config)).logits.square().sum().backward()
        optimizer.step()
        moved = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
        assert moved <= learning(model)
        assert {name for name in learning(model) if name.endswith("dense.weight")} <= moved

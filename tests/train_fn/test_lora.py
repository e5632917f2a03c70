import os
import random
import warnings

import numpy
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from tests.train_fn.small_models import SMALL_MODELS, architecture, build, inputs, parameters_of
from train_fn.freezing import freeze
from train_fn.lora import add_lora, has_lora, merged_state_dict

# by hand, out of the papers' habit: module of a block that is adapted by default
DEFAULT = {
    "bert": {"attention.self.query", "attention.self.value"},
    "roberta": {"attention.self.query", "attention.self.value"},
    "electra": {"attention.self.query", "attention.self.value"},
    "deberta": {"attention.self.in_proj"},
    "deberta-v2": {"attention.self.query_proj", "attention.self.value_proj"},
    "gpt2": {"attn.c_attn"},
    "llama": {"self_attn.q_proj", "self_attn.v_proj"},
}
ADAPTED = [*DEFAULT, "t5", "bart", "distilbert", "albert", "mpnet", "modernbert", "xlnet", "vit", "swin", "convnext"]


def adapted(name, *, targets="all-linear", rank=2, alpha=6.0, dropout=0.0, updates=True):
    """A small model with LoRA, whose updates are no longer 0, as after some steps."""
    model = build(architecture(name))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        add_lora(model, rank=rank, alpha=alpha, dropout=dropout, targets=targets)
        if updates:
            for name, parameter in model.named_parameters():
                if "lora_B" in name:
                    torch.nn.init.normal_(parameter, std=0.3)
    return model


def logits(model):
    with torch.no_grad():
        return model.eval()(**inputs(model.config)).logits


def with_updates(model):
    return {name.rpartition(".lora_A")[0] for name, _ in model.named_parameters() if ".lora_A" in name}


@pytest.mark.parametrize("name", ADAPTED)
def test_only_the_updates_and_the_head_have_gradients(name):
    model = adapted(name).train()
    model(**inputs(model.config)).logits.square().sum().backward()
    with_gradient = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    head = parameters_of(model, *SMALL_MODELS[name].head)
    assert with_gradient == head | {name for name, _ in model.named_parameters() if "lora_" in name}
    assert with_gradient - head


@pytest.mark.parametrize("name", ADAPTED)
def test_the_merged_weights_are_those_of_a_plain_model_that_says_the_same(name):
    model = adapted(name)
    plain = build(model.config)
    before = logits(plain)
    merged = merged_state_dict(model)
    assert list(merged) == list(plain.state_dict())
    plain.load_state_dict(merged)
    torch.testing.assert_close(logits(plain), logits(model), atol=1e-5, rtol=1e-5)
    assert (logits(plain) - before).abs().max() > 1e-3  # the updates are felt


@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_a_merged_matrix_has_taken_in_alpha_over_rank_times_b_a(name):
    model = adapted(name, rank=2, alpha=6.0)
    module = "bert.encoder.layer.1.attention.self.query" if name == "bert" else "transformer.h.1.attn.c_attn"
    weights = model.state_dict()
    update = 6.0 / 2 * weights[f"{module}.lora_B.default.weight"] @ weights[f"{module}.lora_A.default.weight"]
    expected = weights[f"{module}.base_layer.weight"] + (update.T if name == "gpt2" else update)
    torch.testing.assert_close(merged_state_dict(model)[f"{module}.weight"], expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("name", ["bert", "gpt2", "t5"])
def test_merging_leaves_the_model_as_it_is(name):
    model = adapted(name)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    learning = [parameter.requires_grad for parameter in model.parameters()]
    logits_before = logits(model)
    merged = merged_state_dict(model)
    assert not any(tensor.requires_grad for tensor in merged.values())
    assert list(model.state_dict()) == list(before)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert [parameter.requires_grad for parameter in model.parameters()] == learning
    assert torch.equal(logits(model), logits_before)


def test_the_merged_model_is_saved_as_any_other(tmp_path):
    model = adapted("bert")
    model.save_pretrained(tmp_path, state_dict=merged_state_dict(model))
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    torch.testing.assert_close(logits(plain), logits(model), atol=1e-5, rtol=1e-5)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["config.json", "model.safetensors"]


@pytest.mark.parametrize("name", ADAPTED)
def test_training_begins_at_the_pretrained_model(name):
    assert torch.equal(logits(adapted(name, updates=False)), logits(build(architecture(name))))


@pytest.mark.parametrize("name", DEFAULT)
def test_the_default_is_what_the_papers_adapt(name):
    model = adapted(name, targets="default")
    [blocks] = SMALL_MODELS[name].blocks
    assert with_updates(model) == {f"{blocks}.{block}.{module}" for block in range(3) for module in DEFAULT[name]}


def test_t5_is_adapted_in_every_attention():
    places = {f"encoder.block.{block}.layer.0.SelfAttention" for block in range(3)}
    places |= {f"decoder.block.{block}.layer.0.SelfAttention" for block in range(2)}
    places |= {f"decoder.block.{block}.layer.1.EncDecAttention" for block in range(2)}
    expected = {f"transformer.{place}.{module}" for place in places for module in ("q", "v")}
    assert with_updates(adapted("t5", targets="default")) == expected


@pytest.mark.parametrize("name", ["bert", "electra", "modernbert", "bart", "vit"])
def test_all_linear_adapts_each_linear_module_but_the_head_s(name):
    model = build(architecture(name))
    linear = {path for path, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    head = {path for path in linear if path.startswith(SMALL_MODELS[name].head)}
    assert head and with_updates(adapted(name)) == linear - head


def test_targets_are_ends_of_names():
    blocks = [f"bert.encoder.layer.{block}" for block in range(3)]
    dense = {f"{block}.{part}" for block in blocks for part in ("attention.output.dense", "intermediate.dense")}
    dense |= {f"{block}.output.dense" for block in blocks} | {"bert.pooler.dense"}
    assert with_updates(adapted("bert", targets="dense")) == dense
    one_kind = {f"{block}.attention.output.dense" for block in blocks}
    assert with_updates(adapted("bert", targets="attention.output.dense")) == one_kind
    keys = {f"{block}.attention.self.key" for block in blocks}
    assert with_updates(adapted("bert", targets="key, attention.output.dense")) == one_kind | keys


@pytest.mark.parametrize("targets", ["key,nonsense", "nonsense", "uery", "classifier", "query,"])
def test_a_name_that_is_not_there_is_refused(targets):
    wrong = targets.rpartition(",")[2]
    with pytest.raises(ValueError) as error:
        adapted("bert", targets=targets)
    assert str(error.value) == (
        "`lora_targets` must be all-linear or names out of dense, key, query, value for a model of type bert, "
        f"got {wrong!r}; try all-linear"
    )


def test_an_architecture_without_a_default_says_so():
    with pytest.raises(ValueError) as error:
        adapted("distilbert", targets="default")
    assert str(error.value) == (
        "`lora_targets` must name modules for a model of type distilbert, which has no default, got default; "
        "try all-linear"
    )


def test_frozen_blocks_get_no_update():
    model = build(architecture("bert"))
    freeze(model, what="nothing", num_blocks=2)
    add_lora(model, rank=2, alpha=4.0, dropout=0.0, targets="all-linear")
    assert {name.partition(".attention")[0] for name in with_updates(model) if "attention" in name} == {
        "bert.encoder.layer.2"
    }
    assert all(name.startswith(("bert.encoder.layer.2.", "bert.pooler.")) for name in with_updates(model))


def test_no_update_in_any_block_is_refused():
    model = build(architecture("bert"))
    freeze(model, what="nothing", num_blocks=3)
    with pytest.raises(ValueError) as error:
        add_lora(model, rank=2, alpha=4.0, dropout=0.0, targets="default")
    assert str(error.value) == (
        "`lora_targets` must name linear modules of the body that are not frozen, got default; "
        "freeze fewer blocks, or leave out lora_rank"
    )
    assert not has_lora(model)


def test_every_name_but_the_matrices_own_stays():
    plain, model = build(architecture("bert")), adapted("bert", targets="default")
    names = {name for name, _ in model.named_parameters() if "lora_" not in name}
    moved = {name for name in names if ".base_layer." in name}
    assert {name.replace(".base_layer.", ".") for name in names} == {name for name, _ in plain.named_parameters()}
    assert moved == {f"{module}.base_layer.{part}" for module in with_updates(model) for part in ("weight", "bias")}
    assert type(model) is type(plain) and has_lora(model) and not has_lora(plain)


def test_dropout_falls_on_what_enters_the_update():
    model = adapted("bert", dropout=0.5).train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout) and module.p != 0.5:
            module.p = 0.0
    with torch.random.fork_rng(), torch.no_grad():
        first, second = (model(**inputs(model.config)).logits for _ in range(2))
    assert not torch.equal(first, second)
    assert torch.equal(logits(model), logits(adapted("bert", dropout=0.0)))


def test_the_updates_come_from_torch_s_stream_and_nothing_else_is_touched():
    def state():
        return (
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
            torch.get_num_threads(),
            torch.are_deterministic_algorithms_enabled(),
            random.getstate(),
            str(numpy.random.get_state()),
            list(warnings.filters),
            dict(os.environ),
            os.getcwd(),
        )

    weights, seeds = [], (0, 0, 1)
    for seed in seeds:
        model, before = build(architecture("bert")), state()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            add_lora(model, rank=2, alpha=4.0, dropout=0.1, targets="default")
        assert state() == before
        weights.append(model.get_parameter("bert.encoder.layer.0.attention.self.query.lora_A.default.weight"))
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])

import pytest
import torch
from torch.overrides import TorchFunctionMode
from transformers import AutoConfig

from tests.train_fn.small_models import SMALL_MODELS, architecture, build, inputs
from train_fn.dropout import FIELDS, NAMES, set_dropouts

RATES = {"hidden_dropout": 0.11, "attention_dropout": 0.22, "classifier_dropout": 0.33}
KNOBS = [(model_type, knob) for model_type in FIELDS for knob in FIELDS[model_type]]


class Dropouts(TorchFunctionMode):
    """Notes the rate of each dropout that is passed, and of how many dimensions its input is."""

    def __init__(self):
        super().__init__()
        self.rates = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is torch.nn.functional.dropout:
            rate = args[1] if len(args) > 1 else kwargs["p"]
            self.rates += [(rate, args[0].ndim)] if rate > 0 else []
        return function(*args, **(kwargs or {}))


def outputs(config, knobs, training_config):
    """Of two passes in training mode."""
    set_dropouts(config, training_config(**knobs))
    model = build(config).train()
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        return model(**inputs(config)).logits, model(**inputs(config)).logits


def test_there_is_a_small_model_of_every_architecture_whose_names_are_known():
    assert set(SMALL_MODELS) == set(FIELDS)


@pytest.mark.parametrize(("model_type", "knob"), KNOBS)
def test_a_knob_sets_fields_that_the_architecture_has(toy, model_type, knob):
    config = AutoConfig.for_model(model_type)
    known = set(config.to_dict()) | {"cls_dropout"}  # which DeBERTa's head asks for, though its config lacks it
    assert set(FIELDS[model_type][knob]) <= known
    set_dropouts(config, toy(**{knob: 0.37}))
    assert [getattr(config, field) for field in FIELDS[model_type][knob]] == [0.37] * len(FIELDS[model_type][knob])


@pytest.mark.parametrize("model_type", FIELDS)
def test_every_dropout_that_is_passed_has_the_rate_of_its_kind(toy, model_type):
    config, rates = architecture(model_type), {knob: RATES[knob] for knob in FIELDS[model_type]}
    set_dropouts(config, toy(**rates))
    model, passed = build(config).train(), Dropouts()
    with torch.random.fork_rng(), torch.no_grad(), passed:
        model(**inputs(config))
    assert {rate for rate, _ in passed.rates} == set(rates.values())  # none goes on with a rate of its own

    on_weights = {rate for rate, ndim in passed.rates if ndim == 4}  # batch, heads, queries, keys
    on_both = {0.11} if model_type in ("t5", "mt5", "xlnet") else set()
    assert on_weights == {rates[knob] for knob in rates if knob == "attention_dropout"} | on_both
    if "classifier_dropout" in rates:
        assert passed.rates[-1][0] == 0.33
    on_states = {rate for rate, ndim in passed.rates if ndim < 4}
    also_on_states = {0.22} if model_type == "modernbert" else set()  # what comes out of its attention
    assert on_states == ({rates[knob] for knob in rates if knob != "attention_dropout"} | also_on_states)


@pytest.mark.parametrize(("model_type", "knob"), KNOBS)
def test_one_knob_alone_makes_the_built_model_forget_at_random(toy, model_type, knob):
    alone = dict.fromkeys(FIELDS[model_type], 0.0) | {knob: 0.5}
    first, second = outputs(architecture(model_type), alone, toy)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("model_type", FIELDS)
def test_with_every_knob_at_0_nothing_is_forgotten(toy, model_type):
    first, second = outputs(architecture(model_type), dict.fromkeys(FIELDS[model_type], 0.0), toy)
    assert torch.equal(first, second)


def test_none_leaves_the_model_s_own_dropout(toy):
    config = AutoConfig.for_model("bert", hidden_dropout_prob=0.123)
    set_dropouts(config, toy(attention_dropout=0.2))
    assert (config.hidden_dropout_prob, config.attention_probs_dropout_prob) == (0.123, 0.2)


@pytest.mark.parametrize(
    ("model_type", "knob"),
    [(model_type, knob) for model_type in FIELDS for knob in NAMES if knob not in FIELDS[model_type]],
)
def test_a_knob_that_the_architecture_lacks_is_refused(toy, model_type, knob):
    with pytest.raises(ValueError, match=f"^`{knob}` must be None for a model of type {model_type}, which has .*, got"):
        set_dropouts(architecture(model_type), toy(**{knob: 0.2}))


@pytest.mark.parametrize(
    ("model_type", "message"),
    [
        ("gpt2", "type gpt2, which has hidden_dropout, attention_dropout, got 0.2; leave it out"),
        ("resnet", "type resnet, which has no dropout known here, got 0.2; leave it out"),
        ("fnet", "type fnet, which has no dropout known here, got 0.2; leave it out"),
    ],
)
def test_the_refusal_says_which_there_are(toy, model_type, message):
    with pytest.raises(ValueError) as error:
        set_dropouts(AutoConfig.for_model(model_type), toy(classifier_dropout=0.2))
    assert str(error.value) == f"`classifier_dropout` must be None for a model of {message}"

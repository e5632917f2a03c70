import pytest
import torch
from transformers import AutoConfig

from train_fn.dropout import FIELDS, set_dropouts

KNOBS = ["hidden_dropout", "attention_dropout", "classifier_dropout"]


@pytest.mark.parametrize(
    ("model_type", "knob"), [(model_type, knob) for model_type in FIELDS for knob in FIELDS[model_type]]
)
def test_a_knob_sets_fields_that_the_architecture_has(toy, model_type, knob):
    architecture = AutoConfig.for_model(model_type)
    known = set(architecture.to_dict()) | {"cls_dropout"}  # which DeBERTa's head asks for, though its config lacks it
    assert set(FIELDS[model_type][knob]) <= known
    set_dropouts(architecture, toy(**{knob: 0.37}))
    assert [getattr(architecture, field) for field in FIELDS[model_type][knob]] == [0.37] * len(
        FIELDS[model_type][knob]
    )


@pytest.mark.parametrize(
    "architecture", ["bert", "roberta", "distilbert", "electra", "albert", "modernbert", "deberta-v2"]
)
@pytest.mark.parametrize("knob", KNOBS)
def test_each_knob_makes_the_built_model_forget_at_random(toy, small_architecture, random_model, architecture, knob):
    """Two passes in training mode differ only if the knob reached the modules."""
    config = small_architecture(architecture)
    set_dropouts(config, toy(**(dict.fromkeys(KNOBS, 0.0) | {knob: 0.5})))
    model, ids = random_model(config).train(), torch.arange(1, 17).view(2, 8)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        assert not torch.equal(model(ids).logits, model(ids).logits)


def test_none_leaves_the_model_s_own_dropout(toy):
    architecture = AutoConfig.for_model("bert", hidden_dropout_prob=0.123)
    set_dropouts(architecture, toy(attention_dropout=0.2))
    assert (architecture.hidden_dropout_prob, architecture.attention_probs_dropout_prob) == (0.123, 0.2)


@pytest.mark.parametrize(
    ("model_type", "message"),
    [
        (
            "mpnet",
            "`classifier_dropout` must be None for a mpnet model, which has hidden_dropout, attention_dropout, got",
        ),
        (
            "gpt2",
            "`classifier_dropout` must be None for a gpt2 model, which has no dropout known here, got 0.2; leave it",
        ),
    ],
)
def test_a_knob_that_the_architecture_lacks_is_refused(toy, model_type, message):
    with pytest.raises(ValueError) as error:
        set_dropouts(AutoConfig.for_model(model_type), toy(classifier_dropout=0.2))
    assert message in str(error.value)

from dataclasses import FrozenInstanceError, fields

import pytest

from train_fn.config import EXAMPLES, RULES, TextConfig
from train_fn.data import DataConfig

DATA = DataConfig(source="docstrings")


def test_every_field_has_a_rule_and_a_way_out():
    names = {field.name for field in fields(TextConfig)}
    assert set(RULES) == set(EXAMPLES) == names


def test_a_config_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        TextConfig(data=DATA).seed = 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rate": 0}, "`learning_rate` must be a number > 0, got 0; try 5e-05"),
        ({"learning_rate": "5e-5"}, "`learning_rate` must be a number > 0, got '5e-5'; try 5e-05"),
        ({"learning_rate": float("nan")}, "`learning_rate` must be a number > 0, got nan; try 5e-05"),
        ({"layer_decay": 1.1}, "`layer_decay` must be in (0, 1], got 1.1; try 1.0"),
        ({"warmup_ratio": -0.1}, "`warmup_ratio` must be in [0, 1], got -0.1; try 0.0"),
        ({"hidden_dropout": 1}, "`hidden_dropout` must be in [0, 1) or None, got 1; try None"),
        ({"label_smoothing": True}, "`label_smoothing` must be in [0, 1), got True; try 0.0"),
        ({"schedule": "cosin"}, "`schedule` must be one of constant, linear, cosine, wsd, got 'cosin'; try linear"),
        ({"precision": "fp8"}, "`precision` must be one of auto, fp32, bf16, fp16, got 'fp8'; try auto"),
        ({"max_epochs": 2.5}, "`max_epochs` must be a whole number >= 1, got 2.5; try 3"),
        ({"max_grad_norm": 0}, "`max_grad_norm` must be a number > 0 or None, got 0; try 1.0"),
        ({"model": ""}, '`model` must be "minilm", "tiny", a folder or a hub name, got \'\'; try minilm'),
        (
            {"batch_size": 8, "micro_batch_size": 16},
            "`micro_batch_size` must be at most batch_size (8), got 16; try 8",
        ),
        ({"data": "docstrings"}, "`data` must be a DataConfig, got 'docstrings'; try DataConfig(source='docstrings')"),
    ],
)
def test_a_bad_value_is_told_with_rule_value_and_way_out(settings, message):
    with pytest.raises(ValueError) as error:
        TextConfig(**({"data": DATA} | settings))
    assert str(error.value) == message

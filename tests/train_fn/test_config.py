from dataclasses import FrozenInstanceError, fields

import pytest

from train_fn.config import TextConfig, loss_of
from train_fn.data import TextDataConfig
from train_fn.values import rules_of

DATA = TextDataConfig(source="docstrings")


def test_every_default_keeps_its_own_rule():
    assert set(rules_of(TextConfig)) == {field.name for field in fields(TextConfig)}
    TextConfig(data=DATA)


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
        ({"hidden_dropout": 1}, "`hidden_dropout` must be in [0, 0.99] or None, got 1"),
        ({"label_smoothing": True}, "`label_smoothing` must be in [0, 1), got True; try 0.0"),
        ({"hidden_dropout": 1.5}, "`hidden_dropout` must be in [0, 0.99] or None, got 1.5"),
        ({"warmup_ratio": 2.0}, "`warmup_ratio` must be in [0, 1], got 2.0; try 0.0"),
        ({"freeze_blocks": -1}, "`freeze_blocks` must be a whole number >= 0, got -1; try 0"),
        ({"ema_decay": 1}, "`ema_decay` must be in (0, 1) or None, got 1"),
        ({"spike_factor": 1}, "`spike_factor` must be a number > 1 or None, got 1; try 3.0"),
        ({"nesterov": 1}, "`nesterov` must be true or false, got 1; try False"),
        (
            {"schedule": "cosin"},
            "`schedule` must be one of constant, linear, cosine, cosine_restarts, step, plateau, one_cycle, wsd, "
            "got 'cosin'; try linear",
        ),
        (
            {"loss": "crossentropy"},
            "`loss` must be one of auto, cross_entropy, focal, mse, mae, huber, pairwise, listwise, bce, "
            "got 'crossentropy'; try auto",
        ),
        ({"precision": "fp8"}, "`precision` must be one of auto, fp32, tf32, bf16, fp16, got 'fp8'; try auto"),
        ({"max_epochs": 2.5}, "`max_epochs` must be a whole number >= 1, got 2.5; try 3"),
        ({"max_grad_norm": 0}, "`max_grad_norm` must be a number > 0 or None, got 0; try 1.0"),
        ({"hidden_dropout": 0.999999}, "`hidden_dropout` must be in [0, 0.99] or None, got 0.999999"),
        ({"lora_dropout": 0.995}, "`lora_dropout` must be in [0, 0.99], got 0.995; try 0.0"),
        ({"eval_epochs": 1e308}, "`eval_epochs` must be in [0.0001, 1e6], got 1e+308; try 1.0"),
        ({"step_epochs": 1e-320}, "`step_epochs` must be in [0.0001, 1e6], got 1e-320; try 1.0"),
        ({"unfreeze_every": 1e-320}, "`unfreeze_every` must be in [0.0001, 1e6] or None, got 1e-320"),
        ({"adam_epsilon": 1e-50}, "`adam_epsilon` must be a number >= 1.2e-38, got 1e-50; try 1e-08"),
        ({"learning_rate": 10**400}, f"`learning_rate` must be a number > 0, got {10**400}; try 5e-05"),
        ({"max_epochs": 10**400}, f"`max_epochs` must be a whole number >= 1, got {10**400}; try 3"),
        ({"model": ""}, "`model` must be a name, got ''; try minilm"),
        (
            {"batch_size": 8, "micro_batch_size": 16},
            "`micro_batch_size` must be at most batch_size (8), got 16; try 8",
        ),
        ({"data": "docstrings"}, "`data` must be a TextDataConfig, got 'docstrings'"),
        (
            {"warmup_ratio": 0.1, "warmup_steps": 5},
            "`warmup_steps` must be None beside `warmup_ratio` (0.1), got 5; give one of the two",
        ),
        (
            {"nesterov": True, "momentum": 0},
            "`nesterov` must be false where `momentum` is 0, got true; try momentum 0.9",
        ),
        (
            {"freeze": "backbone", "lora_rank": 4},
            "`freeze` must be nothing beside `lora_rank`, which freezes the backbone, got backbone; leave it out",
        ),
        (
            {"freeze": "embeddings", "lora_rank": 4},
            "`freeze` must be nothing beside `lora_rank`, which freezes the backbone, got embeddings; leave it out",
        ),
        (
            {"model": "tiny", "replace_head": True},
            "`replace_head` must be false for tiny, whose head is always new, got true; leave it out",
        ),
        (
            {"unfreeze_every": 1.0, "lora_rank": 4},
            "`unfreeze_every` must be None beside lora_rank: 4, got 1.0; leave one of them out",
        ),
        (
            {"ema_decay": 0.99, "swa_start": 0.5},
            "`swa_start` must be None beside `ema_decay` (0.99), got 0.5; choose one average",
        ),
        ({"sharding": "full"}, "`sharding` must be none for one process, got full; try num_processes 2"),
        (
            {"early_stopping_metric": "f1"},
            "`early_stopping_metric` must be one of loss, accuracy, precision_weighted, precision_macro, recall_macro, "
            "f1_weighted, f1_macro, roc_auc, mcc, ece, got 'f1'; try loss",
        ),
        (
            {"loss": "huber"},
            "`loss` must be one of cross_entropy, focal for classification, got huber; try cross_entropy",
        ),
    ],
)
def test_a_bad_value_is_told_with_rule_value_and_way_out(settings, message):
    with pytest.raises(ValueError) as error:
        TextConfig(**({"data": DATA} | settings))
    assert str(error.value) == message


NUMBERS = TextDataConfig(file="prices.csv", task="regression")
GRADES = TextDataConfig(file="answers.csv", task="ranking", query="question")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"data": NUMBERS, "loss": "focal"},
            "`loss` must be one of mse, mae, huber for regression, got focal; try mse",
        ),
        (
            {"data": GRADES, "loss": "cross_entropy"},
            "`loss` must be one of listwise, pairwise, mse, mae, huber for ranking, got cross_entropy; try listwise",
        ),
        (
            {"data": NUMBERS, "label_smoothing": 0.1},
            "`label_smoothing` must be 0.0 for regression, which has no classes, got 0.1; leave it out",
        ),
        (
            {"data": GRADES, "class_weights": "balanced"},
            "`class_weights` must be none for ranking, which has no classes, got balanced; leave it out",
        ),
        (
            {"data": GRADES, "loss_weighting": "tokens"},
            "`loss_weighting` must be samples for ranking, where each query counts once, got tokens; leave it out",
        ),
        ({"data": GRADES, "r_drop": 1.0}, "`r_drop` must be 0 for ranking, got 1.0; leave it out"),
    ],
)
def test_a_setting_without_meaning_for_the_task_is_refused(settings, message):
    with pytest.raises(ValueError) as error:
        TextConfig(**settings)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("data", "loss"),
    [(DATA, "cross_entropy"), (NUMBERS, "mse"), (GRADES, "listwise")],
    ids=["classes", "numbers", "grades"],
)
def test_auto_is_the_usual_loss_of_the_task(data, loss):
    assert loss_of(TextConfig(data=data), data.task) == loss

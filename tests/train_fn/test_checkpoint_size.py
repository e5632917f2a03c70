"""The size of a checkpoint as told before the start, against the one that is written."""

import pytest

from train_fn import text
from train_fn.checkpoint import commit, size
from train_fn.checkpoint_size import num_parameters
from train_fn.text import checkpoint_bytes

BESIDE = 100_000  # bytes of tokenizer, configuration and progress


@pytest.fixture
def pretrained(toy, tmp_path):
    """A tiny model in a folder, as transformers saves it."""
    folder = tmp_path / "pretrained"
    commit(folder, next(text.epochs(toy())).save)
    return folder / "model"


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"optimizer": "sgd"},
        {"optimizer": "adafactor"},
        {"amsgrad": True},
        {"ema_decay": 0.9},
        {"early_stopping_patience": 3},
        {"lora_rank": 2},
        {"freeze": "backbone"},
    ],
    ids=str,
)
def test_a_checkpoint_is_about_as_large_as_was_told(toy, pretrained, tmp_path, settings):
    config = toy(model=str(pretrained), **settings)
    commit(tmp_path / "checkpoint", next(text.epochs(config)).save)
    told, written = checkpoint_bytes(config), size(tmp_path / "checkpoint")
    assert told is not None and written - BESIDE <= told <= 1.5 * written


def test_each_fold_has_weights_of_its_own(toy, pretrained):
    from dataclasses import replace

    config = toy(model=str(pretrained))
    folds = replace(config, data=replace(config.data, folds=5))
    assert checkpoint_bytes(folds) == 5 * checkpoint_bytes(config)


def test_a_model_that_is_made_from_nothing_tells_nothing(toy):
    assert checkpoint_bytes(toy(model="tiny")) is None


def test_parameters_are_counted_in_the_headers_alone(pretrained):
    from safetensors.torch import load_file

    assert num_parameters(pretrained) == sum(t.numel() for t in load_file(pretrained / "model.safetensors").values())

import json
import subprocess
import sys

import pytest
import torch
from transformers import AutoConfig

from tests.train_fn.small_models import SMALL_MODELS, architecture, build, inputs
from train_fn.architecture import TINY, Architecture, check_architecture, read_architecture
from train_fn.depth import known_blocks
from train_fn.tiny import tiny_folder

TEXTS = [name for name, small in SMALL_MODELS.items() if not small.sees]
ANY_LENGTH = ["deberta", "deberta-v2", "funnel", "mt5", "t5", "xlnet"]  # positions are relative
TURNED = ["llama", "mistral", "modernbert", "qwen2", "qwen3"]  # rotary positions, which go on behind those trained on
NOT_TURNED = [name for name in TEXTS if name not in (*ANY_LENGTH, *TURNED)]


def from_file(config, folder):
    config.save_pretrained(folder)
    return read_architecture(folder)


def described(folder, **content):
    (folder / "config.json").write_text(json.dumps(content))
    return read_architecture(folder)


def runs(config, length):
    """Whether the model takes so many tokens."""
    try:
        with torch.no_grad():
            build(config).eval()(**inputs(config, length))
    except (IndexError, RuntimeError):
        return False
    return True


@pytest.mark.parametrize("name", SMALL_MODELS)
def test_the_file_tells_as_many_blocks_as_the_model_has(tmp_path, name):
    model = build(architecture(name))
    blocks = sum(len(model.get_submodule(path)) for path in SMALL_MODELS[name].blocks)
    assert from_file(architecture(name), tmp_path).num_blocks == blocks == known_blocks(model)


@pytest.mark.parametrize("name", SMALL_MODELS)
def test_the_file_tells_the_type(tmp_path, name):
    assert from_file(architecture(name), tmp_path).model_type == name


@pytest.mark.parametrize("name", NOT_TURNED)
def test_the_model_takes_as_many_tokens_as_the_file_tells_and_no_more(tmp_path, name):
    longest = from_file(architecture(name), tmp_path).max_length
    assert runs(architecture(name), longest)
    assert not runs(architecture(name), longest + 1)


@pytest.mark.parametrize("name", ANY_LENGTH)
def test_relative_positions_have_no_end(tmp_path, name):
    assert from_file(architecture(name), tmp_path).max_length is None
    assert runs(architecture(name), 200)


@pytest.mark.parametrize("name", TURNED)
def test_rotary_positions_end_with_those_that_were_trained_on(tmp_path, name):
    assert from_file(architecture(name), tmp_path).max_length == 40


@pytest.mark.parametrize("name", [name for name, small in SMALL_MODELS.items() if small.sees])
def test_an_image_has_no_length(tmp_path, name):
    assert from_file(architecture(name), tmp_path).max_length is None


@pytest.mark.parametrize(
    ("content", "longest"),
    [
        ({"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ({"model_type": "roberta", "max_position_embeddings": 514}, 512),
        ({"model_type": "longformer", "max_position_embeddings": 4098, "pad_token_id": 1}, 4096),
        ({"model_type": "mpnet", "max_position_embeddings": 514, "pad_token_id": 0}, 512),
        ({"model_type": "bert", "max_position_embeddings": 512, "pad_token_id": 0}, 512),
        ({"model_type": "deberta", "max_position_embeddings": 512}, 512),
        ({"model_type": "t5", "n_positions": 512}, None),
        ({"model_type": "unheard of"}, None),
        ({}, None),
    ],
)
def test_the_lengths_of_known_checkpoints(tmp_path, content, longest):
    assert described(tmp_path, **content).max_length == longest


@pytest.mark.parametrize(
    ("content", "blocks"),
    [
        ({"model_type": "t5", "is_encoder_decoder": True, "num_layers": 6}, 12),  # as the first T5 were published
        ({"model_type": "t5", "is_encoder_decoder": True, "num_layers": 6, "num_decoder_layers": 2}, 8),
        (
            {"model_type": "bart", "is_encoder_decoder": True}
            | {"num_hidden_layers": 12, "encoder_layers": 12, "decoder_layers": 6},
            18,
        ),
        ({"model_type": "albert", "num_hidden_layers": 12}, 1),
        ({"model_type": "distilbert", "n_layers": 6}, 6),
        ({"model_type": "xlm", "n_layers": 12}, 0),
        ({"model_type": "gemma3", "text_config": {"num_hidden_layers": 26}}, 0),
        ({}, 0),
    ],
)
def test_the_blocks_of_known_checkpoints(tmp_path, content, blocks):
    assert described(tmp_path, **content).num_blocks == blocks


def test_a_model_that_keeps_its_blocks_in_other_lists_has_none_that_are_known(tmp_path):
    xlm = AutoConfig.for_model("xlm", vocab_size=50, emb_dim=16, n_layers=2, n_heads=2, pad_index=0)
    assert known_blocks(build(xlm)) == from_file(xlm, tmp_path).num_blocks == 0


def test_tiny_is_as_it_is_described(toy_data):
    assert read_architecture(tiny_folder(toy_data)) == TINY


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        (
            Architecture(model_type="bert", num_blocks=12, max_length=512),
            {"freeze_blocks": 13},
            "`freeze_blocks` must be at most the model's 12 blocks, got 13; try 12",
        ),
        (
            Architecture(model_type="xlm", num_blocks=0, max_length=512),
            {"freeze_blocks": 1},
            "`freeze_blocks` must be 0 for a model of type xlm, whose blocks are not known here, got 1; leave it out",
        ),
        (
            Architecture(model_type="xlm", num_blocks=0, max_length=512),
            {"layer_decay": 0.9},
            "`layer_decay` must be 1 for a model of type xlm, whose blocks are not known here, got 0.9; leave it out",
        ),
        (
            Architecture(model_type="xlm", num_blocks=0, max_length=512),
            {"unfreeze_every": 0.5},
            "`unfreeze_every` must be None for a model of type xlm, whose blocks are not known here, got 0.5; "
            "leave it out",
        ),
        (
            Architecture(model_type="resnet", num_blocks=4, max_length=None),
            {"hidden_dropout": 0.1},
            "`hidden_dropout` must be None for a model of type resnet, which has no dropout known here, got 0.1; "
            "leave it out",
        ),
        (
            Architecture(model_type="roberta", num_blocks=12, max_length=512),
            {"max_length": 513},
            "`max_length` must be at most the model's 512, got 513; try 512",
        ),
    ],
)
def test_a_setting_that_the_model_cannot_follow_is_refused(toy, model, settings, message):
    config = toy(**settings)
    with pytest.raises(ValueError) as error:
        check_architecture(model, config, config.max_length)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        (TINY, {"freeze_blocks": 2, "unfreeze_every": 1.0, "layer_decay": 0.5, "max_length": 512}),
        (TINY, {"hidden_dropout": 0.1, "attention_dropout": 0.1, "classifier_dropout": 0.1}),
        (Architecture(model_type="xlm", num_blocks=0, max_length=None), {"max_length": 100_000}),
    ],
)
def test_a_setting_that_the_model_can_follow_is_not_refused(toy, model, settings):
    config = toy(**settings)
    check_architecture(model, config, config.max_length)
    check_architecture(model, config, None)


def test_what_has_no_length_is_never_too_long(toy):
    check_architecture(TINY, toy(max_length=1000), None)


def test_no_library_is_imported_to_read_a_config():
    asked = "import sys, train_fn.architecture; print({'torch', 'transformers', 'peft'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True).stdout == "set()\n"

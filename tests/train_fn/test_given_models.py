"""A model that brings its own head, tokenizer or config goes on where it was."""

import json
import random

import numpy
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, BertConfig, BertModel, pipeline

from train_fn import text
from train_fn.config import TextConfig
from train_fn.data import TextDataConfig
from train_fn.setup import begin
from train_fn.state import State
from train_fn.text import epochs, train
from train_fn.tiny import tiny_folder

STILL = {"learning_rate": 1e-12, "max_epochs": 1}


@pytest.fixture(scope="module")
def years(tmp_path_factory):
    """Each fruit is worth some years."""
    folder, chance = tmp_path_factory.mktemp("years"), random.Random(0)
    worth = {"apple": 0, "pear": 2, "plum": 4, "fig": 6, "cherry": 8}
    baskets = [[chance.choice(list(worth)) for _ in range(4)] for _ in range(200)]
    rows = [f"{' '.join(basket)},{2000 + sum(worth[fruit] for fruit in basket)}\n" for basket in baskets]
    (folder / "years.csv").write_text("text,label\n" + "".join(rows), encoding="utf-8")
    return TextDataConfig(file=str(folder / "years.csv"), task="regression", cache=str(folder / "cache"))


def of_years(data, **settings):
    return TextConfig(data=data, **({"model": "tiny", "precision": "fp32", "learning_rate": 3e-3} | settings))


def saved_end(config, folder):
    """The last report of a run, and the folder of its model."""
    last = None
    for report in epochs(config):
        last = report
    folder.mkdir()
    last.save(folder)
    return last, folder / "model"


@pytest.fixture
def given(toy_data, tmp_path, small_architecture, random_model):
    """A folder of a model of random weights that reads with the tokenizer of the toy texts."""

    def make(name, *, side="right", **changes):
        tokenizer = AutoTokenizer.from_pretrained(tiny_folder(toy_data), padding_side=side)
        settings = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
        random_model(small_architecture(name, **settings)).save_pretrained(tmp_path / name)
        tokenizer.save_pretrained(tmp_path / name)
        described = json.loads((tmp_path / name / "config.json").read_text()) | changes
        (tmp_path / name / "config.json").write_text(json.dumps(described))
        return str(tmp_path / name)

    return make


# heads


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_sealed_test_of_numbers_is_as_good_as_training_said(years, precision, tmp_path):
    """In half precision a head that says 2003 would say 2000 or 2008."""
    config = of_years(years, max_epochs=20, precision=precision)
    last, model = saved_end(config, tmp_path / "checkpoint")
    assert last.metrics["r2"] > 0.9
    assert text.test(config, model.parent).metrics["r2"] == pytest.approx(last.metrics["r2"], abs=0.05)


def test_a_saved_model_of_numbers_goes_on_where_it_was(years, tmp_path):
    last, model = saved_end(of_years(years, max_epochs=20), tmp_path / "checkpoint")
    assert last.metrics["r2"] > 0.9
    [first] = train(of_years(years, model=str(model), **STILL))
    assert first.metrics["rmse"] == pytest.approx(last.metrics["rmse"], rel=1e-3)


def test_a_head_that_is_drawn_anew_knows_no_unit(years, tmp_path):
    _, model = saved_end(of_years(years, max_epochs=1), tmp_path / "checkpoint")
    setup, state = begin(of_years(years, model=str(model), replace_head=True))
    assert setup.scale is not None
    assert state.model.classifier.weight.std().item() == pytest.approx(0.02, rel=0.2)


@pytest.fixture(scope="module")
def learned(tmp_path_factory, toy_data):
    config = TextConfig(data=toy_data, model="tiny", precision="fp32", learning_rate=3e-3, max_epochs=12)
    return saved_end(config, tmp_path_factory.mktemp("learned") / "checkpoint")


@pytest.fixture
def renamed(learned, tmp_path):
    """The learned model with the rows of its head in another order, and the labels so or otherwise."""

    def make(labels, rows):
        folder = tmp_path / "renamed"
        folder.mkdir()
        for file in learned[1].iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        weights = load_file(folder / "model.safetensors")
        for name in ("classifier.weight", "classifier.bias"):
            weights[name] = weights[name][rows].contiguous()
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        described = json.loads((folder / "config.json").read_text())
        described["id2label"] = {str(row): label for row, label in enumerate(labels)}
        described["label2id"] = {label: row for row, label in enumerate(labels)}
        (folder / "config.json").write_text(json.dumps(described))
        return str(folder)

    return make


@pytest.mark.parametrize(
    ("labels", "rows"),
    [
        (["colour", "fruit", "traffic"], [0, 1, 2]),
        (["fruit", "traffic", "colour"], [1, 2, 0]),
        (["LABEL_0", "LABEL_1", "LABEL_2"], [0, 1, 2]),  # nobody gave them names
    ],
)
def test_a_head_is_kept_in_whatever_order_its_labels_stand(learned, renamed, toy, labels, rows):
    last, _ = learned
    [first] = train(toy(model=renamed(labels, rows), **STILL))
    assert first.metrics["loss"] == pytest.approx(last.metrics["loss"], rel=1e-3)


def test_a_head_for_other_labels_of_the_same_number_is_drawn_anew(learned, renamed, toy):
    _, state = begin(toy(model=renamed(["high", "low", "middle"], [0, 1, 2])))
    body, head = "bert.pooler.dense.weight", "classifier.weight"
    before, now = load_file(learned[1] / "model.safetensors"), state.model.state_dict()
    assert torch.equal(now[body], before[body])
    assert now[head].std().item() == pytest.approx(0.02, rel=0.2)


def test_classes_learned_on_a_model_of_numbers_have_probabilities(years, toy, tmp_path):
    _, model = saved_end(of_years(years, max_epochs=1), tmp_path / "numbers")
    _, model = saved_end(toy(model=str(model), max_epochs=1), tmp_path / "classes")
    [answers] = pipeline("text-classification", str(model), top_k=None)(["apple pear"])
    assert sum(answer["score"] for answer in answers) == pytest.approx(1)


@pytest.mark.parametrize("settings", [{"freeze": "backbone"}, {"lora_rank": 2}], ids=["frozen", "lora"])
def test_a_pooler_that_no_file_had_learns_with_the_head(toy, toy_data, tmp_path, settings):
    tokenizer = AutoTokenizer.from_pretrained(tiny_folder(toy_data))
    described = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    for name, has_pooler in {"with": True, "without": False}.items():
        BertModel(described, add_pooling_layer=has_pooler).save_pretrained(tmp_path / name)
        tokenizer.save_pretrained(tmp_path / name)
        _, state = begin(toy(model=str(tmp_path / name), **settings))
        assert isinstance(state, State)
        assert ("bert.pooler.dense.weight" in state.learned) != has_pooler


# tokenizers and configs


@pytest.mark.parametrize(("name", "side"), [("bert", "right"), ("xlnet", "left"), ("llama", "left"), ("gpt2", "right")])
def test_an_answer_does_not_depend_on_what_a_row_is_padded_to(given, toy, name, side):
    setup, state = begin(toy(model=given(name, side=side), max_length=32))
    state.model.eval()
    shortest, longest = int(setup.train.lengths.argmin()), int(setup.train.lengths.argmax())
    with torch.inference_mode():
        alone, beside = (
            state.model(**setup.train.collate(numpy.array(rows))[0]).logits[0]
            for rows in ([shortest], [shortest, longest])
        )
    torch.testing.assert_close(beside, alone, atol=1e-5, rtol=1e-4)


def test_a_config_that_names_no_padding_takes_it_from_the_tokenizer(given, toy):
    model = given("gpt2", pad_token_id=None)
    [report] = train(toy(model=model, max_length=32, max_epochs=1))
    assert report.diverged is None


# what the model cannot follow is found whether or not somebody prepared


def test_more_tokens_than_positions_are_refused_without_preparing(given, toy):
    with pytest.raises(ValueError, match="`max_length` must be at most the model's 40, got 41; try 40"):
        next(epochs(toy(model=given("bert"), max_length=41)))


@pytest.mark.parametrize(
    ("name", "settings", "rule"),
    [
        ("xlnet", {"lora_rank": 2}, "`lora_targets` must name modules for a model of type xlnet"),
        ("bert", {"lora_rank": 2, "lora_targets": "q_proj"}, "`lora_targets` must be all-linear or names out of"),
        ("bert", {"lora_rank": 2, "freeze_blocks": 3}, "`lora_targets` must name linear modules .* not frozen"),
        ("bert", {"freeze_blocks": 4}, "`freeze_blocks` must be at most the model's 3 blocks"),
    ],
)
def test_preparing_finds_what_cannot_learn(given, toy, name, settings, rule):
    config = toy(model=given(name), max_length=32, **settings)
    with pytest.raises(ValueError, match=rule):
        text.prepare(config)
    with pytest.raises(ValueError, match=rule):
        next(epochs(config))


def test_preparing_finds_wrong_targets_of_the_tiny_model(toy):
    text.prepare(toy(lora_rank=2))
    with pytest.raises(ValueError, match="`lora_targets` must be all-linear or names out of"):
        text.prepare(toy(lora_rank=2, lora_targets="q_proj"))

import copy

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel

from train_fn import setup
from train_fn.compact_embedding import CompactEmbedding, compact, compact_embeddings, compact_tables, whole_tables
from train_fn.text import epochs

IDS = torch.tensor([1, 4, 7, 9, 30])
INPUTS = torch.tensor([[1, 4, 9, 0], [7, 30, 0, 0]])
MASK = (INPUTS != 0).long()


@pytest.fixture(params=["bert", "roberta", "distilbert", "electra", "albert", "modernbert", "deberta-v2"])
def pair(request, small_architecture, random_model):
    """A model with its whole table, and the same with the rows that are looked up."""
    whole = random_model(small_architecture(request.param)).eval()
    smaller = copy.deepcopy(whole)
    compact(smaller, IDS)
    assert compact_embeddings(smaller)
    return whole, smaller


def test_a_smaller_table_gives_the_same_outputs_and_gradients(pair):
    whole, smaller = pair
    outputs, same = (model(input_ids=INPUTS, attention_mask=MASK).logits for model in pair)
    assert torch.equal(outputs, same)
    outputs.square().sum().backward(), same.square().sum().backward()
    gradients = whole.get_input_embeddings().weight.grad
    [(_, module), *_] = compact_embeddings(smaller)
    assert torch.equal(module.weight.grad, gradients[module.ids])
    assert not gradients[[index for index in range(50) if index not in module.ids]].any()


def test_the_whole_table_comes_back_with_what_was_learned(pair):
    whole, smaller = pair
    with torch.no_grad():
        for model in pair:
            model.get_input_embeddings().weight.mul_(2.0) if model is smaller else None
    weights = whole_tables(smaller, smaller.state_dict())
    assert weights.keys() == whole.state_dict().keys()
    [(name, module), *_] = compact_embeddings(smaller)
    expected = whole.state_dict()[name].clone()
    expected[module.ids] *= 2
    assert torch.equal(weights[name], expected)
    assert torch.equal(compact_tables(smaller, weights)[name], module.weight)


def test_nothing_is_made_smaller_where_it_does_not_pay(small_architecture, random_model):
    model = random_model(small_architecture("bert"))
    compact(model, torch.arange(40))
    assert not compact_embeddings(model)
    model.get_input_embeddings().weight.requires_grad = False
    compact(model, IDS)
    assert not compact_embeddings(model)


@pytest.fixture
def large_vocabulary(toy, tmp_path):
    """The tiny model with a table that has many more rows than the texts use."""
    config = toy()
    from train_fn.model import model_folder, new_model
    from train_fn.token_cache import tokenized_splits

    splits = tokenized_splits(config.data, "tiny", 128)
    model = new_model(config, model_folder("tiny", config.data), splits.task, splits.labels)
    model.resize_token_embeddings(500, mean_resizing=False)
    model.save_pretrained(tmp_path / "large")
    splits.tokenizer.save_pretrained(tmp_path / "large")
    return str(tmp_path / "large")


@pytest.mark.parametrize("settings", [{}, {"ema_decay": 0.9}, {"optimizer": "sgd"}])
def test_a_run_learns_the_same_and_saves_every_row(
    toy, no_dropout, steady, large_vocabulary, tmp_path, monkeypatch, settings
):
    config = toy(model=large_vocabulary, weight_decay=0.0, adam_epsilon=1e-4, **no_dropout, **settings)
    reports, weights = [], []
    for folder in ("compact", "dense"):
        if folder == "dense":
            monkeypatch.setattr(setup, "compact", lambda model, ids: None)
        for report in epochs(config):
            reports.append(report)
            if report.epoch == 2:
                (tmp_path / folder).mkdir()
                report.save(tmp_path / folder)
        weights.append(load_file(tmp_path / folder / "model" / "model.safetensors"))
    smaller, dense = weights
    assert smaller.keys() == dense.keys()
    for name, tensor in dense.items():
        torch.testing.assert_close(smaller[name], tensor, atol=1e-6, rtol=0, msg=name)
    for one, two in zip(reports[:2], reports[2:], strict=True):
        for name in ("loss", "train_loss", "grad_norm"):
            assert one.metrics[name] == pytest.approx(two.metrics[name], abs=1e-5)
    assert (tmp_path / "compact" / "training.safetensors").stat().st_size < (
        tmp_path / "dense" / "training.safetensors"
    ).stat().st_size
    AutoModel.from_pretrained(tmp_path / "compact" / "model")


def test_a_resumed_run_goes_on_bit_for_bit(toy, steady, large_vocabulary, tmp_path):
    config = toy(model=large_vocabulary, max_epochs=3, ema_decay=0.9)
    through = []
    for report in epochs(config):
        through.append(steady(report))
        if report.epoch == 1:
            (tmp_path / "first").mkdir()
            report.save(tmp_path / "first")
    assert [steady(report) for report in epochs(config, tmp_path / "first")] == through[1:]


def test_the_table_of_a_model_on_a_device_is_where_the_model_is(small_architecture, random_model):
    model = random_model(small_architecture("bert"))
    compact(model, IDS)
    module = model.get_input_embeddings()
    assert isinstance(module, CompactEmbedding)
    model.to("meta")
    assert module.place.device.type == module.weight.device.type == "meta"
    assert module.whole.device.type == "cpu"

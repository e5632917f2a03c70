"""A model of texts, as it is kept, verified, loaded, timed and laid out for others: by the real libraries, but tiny."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from mlflow.models import Model
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertConfig, BertForSequenceClassification

from hpo.registry.answering import load, timed
from hpo.registry.model_card import model_card
from hpo.registry.model_files import metadata, verified
from hpo.registry.predicting import answered
from hpo.registry.trained_files import lay_out
from hpo.tracking.mlflow import quiet
from hpo.tracking.mlflow_model import SAVERS
from train_fn.checkpoint import MANIFEST, digest, seal_all
from train_fn.tiny import train_tokenizer

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own, while it is imported
LABELS = ["rain", "sun"]
ORIGIN = {
    "study": "s", "trial": 3, "trainable": "train_fn.text:epochs", "data_task": "classification", "labels": LABELS,
    "config": json.dumps({"data": {"text": "text"}, "max_length": 32}), "data_fingerprint": "ab", "rows": {"test": 9},
}  # fmt: skip
RECORD = {
    "model": "weather", "version": "2", "trial": 3, "study": "s", "by": "me@here", "at": "2026-11-21", "forced": None,
    "metric": "accuracy", "validation": 0.9, "confirmed": None, "test": {"accuracy": 0.8}, "baseline": {}, "rows": 9,
    "scores_of_classes": [{"label": "rain", "rows": 9, "candidate": 0.8, "low": 0.5, "high": 0.9}], "previous": None,
    "measured": {"difference": None, "calibration_error": 0.1, "latency_ms": 2.0, "size_mb": 0.1},
}  # fmt: skip


def keep(folder: Path, origin: dict[str, Any], **architecture: Any) -> tuple[Any, Any]:
    """A new model as an MLflow model in `kept`; its tokenizer, and itself."""
    torch.manual_seed(0)
    tokenizer = train_tokenizer(["rain falls", "the sun shines"] * 9)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        **architecture,
    )  # fmt: skip
    model = BertForSequenceClassification(config).eval()
    for part in (tokenizer, model):
        part.save_pretrained(folder / "checkpoint" / "model")
    quiet()
    SAVERS["model/config.json"](folder / "checkpoint", str(folder / "kept"), Model(), origin)
    return tokenizer, model


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A checkpoint's `model/` as an MLflow model with its manifest."""
    keep(tmp_path, ORIGIN, id2label=dict(enumerate(LABELS)), label2id=dict(zip(LABELS, range(2), strict=True)))
    seal_all(tmp_path / "kept")
    return verified(tmp_path / "kept", "it", digest(tmp_path / "kept" / MANIFEST))


def test_a_model_of_texts_is_verified_answers_and_is_loaded_by_from_pretrained(kept: Path, tmp_path: Path) -> None:
    assert metadata(kept, "it")["labels"] == LABELS and (timed(kept) or 0) > 0
    answers = load(kept).predict(["rain falls", "sun"])
    assert set(answers["label"]) <= set(LABELS)

    lay_out(kept, tmp_path / "out")
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out" / "model")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out" / "model")
    with torch.inference_mode():
        scores = model(**tokenizer(["rain falls", "sun"], return_tensors="pt", padding=True)).logits.softmax(1)
    assert [model.config.id2label[index] for index in scores.argmax(1).tolist()] == list(answers["label"])
    assert scores.max(1).values.tolist() == pytest.approx(list(answers["score"]), abs=1e-5)


def test_its_card_says_what_it_is_for_how_good_and_how_to_run_it() -> None:
    card = model_card(RECORD, {**ORIGIN, "text_column": "text"})
    for said in ("into one of 2 classes", "| rain | 9 | 0.800 | 0.500 | 0.900 |", "0 = rain, 1 = sun", "pipeline(",
                 "fewer than 30 test rows", "off by 0.100"):  # fmt: skip
        assert said in card


def test_a_model_of_numbers_answers_with_the_number_and_no_probability(tmp_path: Path) -> None:
    of_numbers = {**ORIGIN, "data_task": "regression", "labels": []}
    tokenizer, model = keep(tmp_path, of_numbers, num_labels=1, problem_type="regression")
    found = answered(load(tmp_path / "kept"), ["rain falls", "sun"], metadata(tmp_path / "kept", "it"))
    with torch.inference_mode():
        numbers = model(**tokenizer(["rain falls", "sun"], return_tensors="pt", padding=True)).logits[:, 0].tolist()
    assert list(found) == ["label"] and list(found["label"]) == pytest.approx(numbers, abs=1e-5)


def test_a_model_of_several_labels_answers_with_all_that_are_likelier_than_not(tmp_path: Path) -> None:
    """As it was scored in training; a pipeline as it comes tells the likeliest alone."""
    texts, labels = ["rain falls", "the sun shines", "rain"], ["rain", "sun", "wind"]
    config = {"data": {"text": "text", "label_separator": "|"}, "max_length": 32}
    of_several = {**ORIGIN, "data_task": "multi_label", "labels": labels, "config": json.dumps(config)}
    several = {"problem_type": "multi_label_classification", "initializer_range": 1.0}
    tokenizer, model = keep(tmp_path, of_several, id2label=dict(enumerate(labels)), **several)
    assert (timed(tmp_path / "kept") or 0) > 0
    found = answered(load(tmp_path / "kept"), texts, metadata(tmp_path / "kept", "it"))
    with torch.inference_mode():
        scores = model(**tokenizer(texts, return_tensors="pt", padding=True)).logits.sigmoid()
    likely = [{label for label, score in zip(labels, row, strict=True) if score > 0.5} for row in scores.tolist()]
    assert {len(one) for one in likely} - {1}, "else the likeliest alone would do"
    assert [set(filter(None, said.split("|"))) for said in found["label"]] == likely
    for row, told in zip(scores.tolist(), found["score"], strict=True):
        likelier = [float(score) for score in told.split("|") if score]
        assert likelier == pytest.approx(sorted((score for score in row if score > 0.5), reverse=True), abs=1e-5)
    card = model_card(RECORD, {**of_several, "text_column": "text"})
    assert "gives any number of them" in card and 'top_k=3)(["..."])' in card


def test_its_card_keeps_every_script_and_says_who_is_better() -> None:
    about = {**ORIGIN, "text_column": "text", "config": json.dumps({"data": {"text": "리뷰"}})}
    worse = {**RECORD, "baseline": {"accuracy": 0.9}, "baseline_model": "a tuned RBF SVM", "baseline_is_better": True}
    card = model_card(worse, about)
    assert '"text": "리뷰"' in card and "| metric | this model | a tuned RBF SVM |" in card
    assert "By accuracy, a tuned RBF SVM is better on these rows." in card
    assert "is better on these rows" not in model_card(RECORD, about)

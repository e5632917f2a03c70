import numpy
import pytest
import torch

from train_fn import data
from train_fn.metrics import evaluate, predict, scores
from train_fn.model import build_classifier
from train_fn.tokens import tokenized_splits


def test_scores_are_those_of_a_count_by_hand():
    # class 0: precision 2/3, recall 2/2; class 1: precision 1/1, recall 1/2; class 2 is never predicted
    targets, predictions = numpy.array([0, 0, 1, 1, 2]), numpy.array([0, 0, 1, 0, 1])
    f1 = [2 * 2 / (2 * 2 + 1), 2 * 1 / (2 * 1 + 1 + 1), 0.0]
    assert scores(targets, predictions) == pytest.approx(
        {"accuracy": 3 / 5, "f1_macro": sum(f1) / 3, "f1_weighted": (2 * f1[0] + 2 * f1[1] + f1[2]) / 5}
    )


def test_evaluation_by_sorted_batches_equals_one_row_at_a_time(toy):
    config = toy()
    splits = tokenized_splits(config.data, "tiny", 128)
    model = build_classifier(config, splits.labels).eval()
    logits = predict(model, splits.valid, "fp32")
    for row, text in enumerate(data.load(config.data).valid.texts):
        with torch.no_grad():
            alone = model(**splits.tokenizer(text, return_tensors="pt")).logits[0]
        torch.testing.assert_close(logits[row], alone, atol=1e-5, rtol=0)


def test_the_loss_is_the_mean_over_rows(toy):
    config = toy()
    splits = tokenized_splits(config.data, "tiny", 128)
    model = build_classifier(config, splits.labels)
    metrics, predictions = evaluate(model, splits.valid, "fp32")
    logits = predict(model, splits.valid, "fp32")
    assert metrics["loss"] == pytest.approx(torch.nn.functional.cross_entropy(logits, splits.valid.targets).item())
    assert predictions.tolist() == logits.argmax(dim=1).tolist()

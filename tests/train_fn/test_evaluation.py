from dataclasses import replace

import numpy
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score
from transformers import AutoTokenizer

from train_fn import data
from train_fn.errors import InfeasibleError
from train_fn.evaluation import evaluate, of_classes, of_numbers, of_order, predict
from train_fn.model import model_folder, new_model
from train_fn.token_cache import tokenized_splits


@pytest.fixture
def model(toy):
    config = toy()
    return new_model(config, model_folder("tiny", config.data), "classification", ("colour", "fruit", "traffic"))


@pytest.fixture
def rows(toy_data):
    return tokenized_splits(toy_data, "tiny", 128).train


def test_outputs_stand_in_the_order_of_the_rows_whatever_they_are_batched_with(model, rows, toy_data):
    tokenizer = AutoTokenizer.from_pretrained(tokenized_splits(toy_data, "tiny", 128).tokenizer.folder)
    outputs = predict(model, rows, "fp32")
    for row in (0, 50, 97):
        alone = tokenizer(data.load(toy_data).train.texts[row], return_tensors="pt")
        torch.testing.assert_close(outputs[row], model(**alone).logits[0].detach(), atol=1e-5, rtol=0)


def test_dropout_rests(model, rows):
    model.train()
    assert torch.equal(predict(model, rows, "fp32"), predict(model, rows, "fp32"))


def test_scores_are_those_of_all_rows_together(model, rows):
    evaluation = evaluate(model, rows, "fp32", task="classification", labels=("colour", "fruit", "traffic"))
    targets = rows.targets.numpy()
    assert evaluation.metrics["accuracy"] == accuracy_score(targets, evaluation.predictions)
    assert evaluation.metrics["f1_macro"] == f1_score(targets, evaluation.predictions, average="macro", zero_division=0)
    assert evaluation.metrics["loss"] == pytest.approx(
        torch.nn.functional.cross_entropy(predict(model, rows, "fp32"), rows.targets).item()
    )
    assert numpy.sum(evaluation.details["confusion"]) == len(targets)
    assert sum(scores["rows"] for scores in evaluation.details["classes"].values()) == len(targets)


def test_half_of_the_rows_each_are_gathered_to_the_same(model, rows):
    class Half:
        """One of two processes; the sum is taken by the test."""

        def __init__(self, rank):
            self.rank, self.size = rank, 2

        def add_up(self, tensors):
            self.outputs = tensors[0].clone()

    halves = [Half(0), Half(1)]
    for half in halves:
        predict(model, rows, "fp32", half)
    torch.testing.assert_close(halves[0].outputs + halves[1].outputs, predict(model, rows, "fp32"))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_outputs_that_are_not_finite_have_a_loss_that_is_not_and_no_scores(bad):
    outputs = torch.tensor([[bad, 0.0], [1.0, 2.0]])
    targets = torch.tensor([1, 1])
    evaluations = [
        of_classes(outputs, targets, ("a", "b")),
        of_numbers(outputs[:, 0], targets.float()),
        of_order(outputs[:, 0], targets.float(), numpy.array([0, 0])),
    ]
    for evaluation in evaluations:
        assert set(evaluation.metrics) == {"loss"}
        assert not numpy.isfinite(evaluation.metrics["loss"])


def test_of_numbers_and_orders_every_metric_is_there(model, rows):
    numbers = torch.linspace(0, 3, len(rows.lengths))
    assert {"mae", "mse", "rmse", "r2"} <= of_numbers(numbers, numbers.flip(0)).metrics.keys()
    groups = numpy.repeat(numpy.arange(14), 7)
    assert {"ndcg", "mrr", "map"} <= of_order(numbers, numbers.round(), groups).metrics.keys()
    assert replace(rows, groups=groups).groups is groups


class Narrow:
    """Rows of which a device has room for a few at once."""

    def __init__(self, rows, room):
        self.rows, self.room, self.asked = rows, room, []

    def __getattr__(self, name):
        return getattr(self.rows, name)

    def collate(self, rows):
        self.asked.append(len(rows))
        if len(rows) > self.room:
            raise torch.OutOfMemoryError("no room")
        return self.rows.collate(rows)


def test_where_memory_runs_out_fewer_rows_at_once_give_the_same_answers(model, rows):
    narrow = Narrow(rows, 9)
    torch.testing.assert_close(predict(model, narrow, "fp32"), predict(model, rows, "fp32"), atol=1e-6, rtol=1e-5)
    assert narrow.asked[:4] == [64, 32, 16, 8] and max(narrow.asked[3:]) == 8


def test_a_row_that_does_not_fit_is_infeasible(model, rows):
    with pytest.raises(InfeasibleError, match="got out of memory with 1 row"):
        predict(model, Narrow(rows, 0), "fp32")

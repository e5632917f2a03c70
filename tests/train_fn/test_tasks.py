"""Numbers, pairs and rankings are learned by the same loop as classes."""

import csv
import random
from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from tests.train_fn.in_lanes import COMPARABLE, assert_as_alone, in_lanes
from train_fn import text
from train_fn.config import TextConfig
from train_fn.data import TextDataConfig, load
from train_fn.text import epochs, train

WORTH = {"apple": 1, "pear": 2, "plum": 3, "fig": 4, "cherry": 5, "quince": 6}


def write(path, columns, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])
    return str(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tasks")


@pytest.fixture(scope="module")
def prices(folder):
    """A basket costs what its fruit is worth, in hundreds."""
    chance = random.Random(0)
    baskets = [[chance.choice(list(WORTH)) for _ in range(1 + index % 5)] for index in range(300)]
    rows = [(" ".join(basket), 1_000 + 100 * sum(WORTH[fruit] for fruit in basket)) for basket in baskets]
    return TextDataConfig(
        file=write(folder / "prices.csv", ("text", "label"), rows), task="regression", cache=str(folder / "cache")
    )


@pytest.fixture(scope="module")
def answers(folder):
    """For each basket the dearest fruit are wanted most."""
    chance = random.Random(0)
    rows = []
    for number in range(60):
        for fruit in chance.sample(list(WORTH), 3 + number % 4):
            rows.append((f"basket {number}", fruit, WORTH[fruit] // 2))
    path = write(folder / "answers.csv", ("query", "text", "label"), rows)
    return TextDataConfig(file=path, task="ranking", query="query", cache=str(folder / "cache"))


@pytest.fixture(scope="module")
def same(folder):
    """Whether two texts name the same fruit."""
    chance = random.Random(0)
    rows = []
    for index in range(300):
        one = chance.choice(list(WORTH))
        other = one if index % 2 else chance.choice([fruit for fruit in WORTH if fruit != one])
        rows.append((one, other, "same" if one == other else "other"))
    path = write(folder / "same.csv", ("one", "two", "label"), rows)
    return TextDataConfig(file=path, text="one", text_pair="two", cache=str(folder / "cache"))


def config(data, **settings):
    defaults = {"model": "tiny", "max_epochs": 8, "batch_size": 16, "learning_rate": 2e-3, "precision": "fp32"}
    return TextConfig(data=data, **(defaults | settings))


@pytest.mark.parametrize("loss", ["mse", "mae", "huber"])
def test_numbers_are_learned_whatever_their_unit(prices, loss):
    *_, last = train(config(prices, loss=loss, max_epochs=12))
    assert last.metrics["r2"] > 0.7
    assert last.metrics["mae"] < 300  # of prices from 1,100 to 4,000
    assert last.metrics["loss"] == pytest.approx(last.metrics["mse"], rel=1e-4)


def test_a_saved_model_of_numbers_speaks_in_their_unit(prices, tmp_path):
    for report in epochs(config(prices)):
        if report.epoch == 8:
            report.save(tmp_path)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    with torch.inference_mode():
        cheap, dear = (model(**tokenizer(text, return_tensors="pt")).logits.item() for text in ("apple", "quince " * 5))
    assert 900 < cheap < 2_000 < dear < 4_500
    asked = pipeline("text-classification", model=model, tokenizer=tokenizer)("apple")
    assert asked[0]["score"] == pytest.approx(cheap, rel=1e-5)
    result = text.test(config(prices), tmp_path)
    assert result.labels == () and result.baseline == {}
    assert result.metrics["r2"] > 0.7


def test_a_run_on_numbers_is_resumed_bit_for_bit(prices, steady, tmp_path):
    through = []
    for report in epochs(config(prices, max_epochs=3)):
        through.append(steady(report))
        if report.epoch == 1:
            report.save(tmp_path)
    assert [steady(report) for report in epochs(config(prices, max_epochs=3), tmp_path)] == through[1:]


@pytest.mark.parametrize("loss", ["listwise", "pairwise", "mse"])
def test_an_order_is_learned(answers, loss):
    *_, last = train(config(answers, loss=loss, max_epochs=20))
    assert last.metrics["ndcg"] > 0.97
    assert {"ndcg_at_10", "mrr", "map", "loss"} <= last.metrics.keys()


def test_parts_of_a_ranking_s_batch_hold_whole_queries(answers, no_dropout):
    settings = {"max_epochs": 2, "adam_epsilon": 1e-4, **no_dropout}
    whole, parts = (train(config(answers, micro_batch_size=size, **settings)) for size in (None, 3))
    for one, other in zip(whole, parts, strict=True):
        assert other.metrics["train_loss"] == pytest.approx(one.metrics["train_loss"], abs=1e-5)
        assert other.metrics["loss"] == pytest.approx(one.metrics["loss"], abs=1e-4)


def test_a_pair_is_read_together(same):
    *_, last = train(config(same, max_epochs=30))
    # no text alone tells it: the loss would stay at log(2), the accuracy at a half
    assert last.metrics["train_loss"] < 0.5
    assert last.metrics["accuracy"] > 0.65


def test_early_stopping_by_a_metric_of_the_task(prices):
    reports = train(
        config(prices, max_epochs=30, early_stopping_patience=2, early_stopping_metric="r2", learning_rate=1e-2)
    )
    best = max(report.metrics["r2"] for report in reports)
    assert len(reports) < 31
    assert reports[-1].metrics["r2"] == pytest.approx(best)


@pytest.fixture(scope="module")
def baskets(folder):
    """A text has the label of each kind of fruit in it, and none where there is none."""
    chance = random.Random(0)
    rows = []
    for index in range(500):
        fruit = chance.sample(list(WORTH), index % 4)
        others = [chance.choice(["bus", "tram", "red", "blue"]) for _ in range(3)]
        words = fruit + others
        chance.shuffle(words)
        rows.append((" ".join(words), "|".join(sorted(fruit))))
    path = write(folder / "baskets.csv", ("text", "label"), rows)
    return TextDataConfig(file=path, task="multi_label", label_separator="|", cache=str(folder / "cache"))


def test_rows_may_have_several_labels_or_none(baskets, tmp_path):
    settings = {"max_epochs": 20, "learning_rate": 1e-3, "batch_size": 16, "precision": "fp32"}
    for last in epochs(TextConfig(data=baskets, model="tiny", **settings)):
        folder = tmp_path / f"{last.epoch}"
        folder.mkdir()
        last.save(folder)
    assert last.metrics["f1_micro"] > 0.9 and last.metrics["map"] > 0.9
    assert last.details["classes"].keys() == WORTH.keys()
    ask = pipeline("text-classification", str(folder / "model"), top_k=None)
    valid = load(baskets).valid
    right = 0
    for words, target in zip(valid.texts, valid.targets, strict=True):
        said = {answer["label"] for answer in ask(words)[0] if answer["score"] > 0.5}
        right += said == {sorted(WORTH)[index] for index in target.nonzero()[0]}
    assert right / len(valid.texts) == pytest.approx(last.metrics["accuracy"])


@pytest.mark.parametrize(
    ("name", "value"), [("label_smoothing", 0.1), ("class_weights", "balanced"), ("sampling_power", 0.5), ("r_drop", 1)]
)
def test_what_needs_one_class_a_row_is_refused_for_several(baskets, name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be .* for multi_label"):
        TextConfig(data=baskets, **{name: value})


@pytest.mark.parametrize("task", ["prices", "answers", "same", "baskets"])
def test_lanes_learn_every_task_as_alone(request, task):
    configs = [
        config(request.getfixturevalue(task), **COMPARABLE, max_epochs=2, seed=seed, learning_rate=rate)
        for seed, rate in [(0, 1e-3), (1, 3e-3)]
    ]
    said = in_lanes([replace(one, fuse_trials=True) for one in configs])
    for one, of_one in zip(configs, said, strict=True):
        assert_as_alone(one, of_one, tolerance=1e-3)

"""What is waited for must be there in every evaluation."""

import pytest

from train_fn.config import TextConfig
from train_fn.data import TextDataConfig
from train_fn.text import epochs

WORDS = ["apple", "pear", "plum", "fig"]


@pytest.fixture
def numbers(tmp_path):
    """Every row of valid has the same label."""

    def make(valid):
        for split, rows in {"train": range(40), "valid": range(8)}.items():
            texts = [f"{WORDS[row % 4]} {split} {row}" for row in rows]
            labels = [row % 4 if split == "train" else valid for row in rows]
            lines = [f"{text},{label}\n" for text, label in zip(texts, labels, strict=True)]
            (tmp_path / f"{split}.csv").write_text("text,label\n" + "".join(lines), encoding="utf-8")
        return TextDataConfig(
            train=str(tmp_path / "train.csv"),
            valid=str(tmp_path / "valid.csv"),
            task="regression",
            cache=str(tmp_path / "cache"),
        )

    return make


@pytest.mark.parametrize("metric", ["r2", "pearson", "spearman"])
def test_a_metric_that_the_valid_labels_leave_undefined_is_refused_before_a_step_is_taken(numbers, metric, monkeypatch):
    monkeypatch.setattr("train_fn.loop.train_stretch", lambda *_: pytest.fail("a step was taken"))
    config = TextConfig(
        data=numbers(2), model="tiny", max_epochs=1, early_stopping_patience=1, early_stopping_metric=metric
    )
    with pytest.raises(ValueError, match=f"`early_stopping_metric` must be defined on the valid split, got '{metric}'"):
        next(epochs(config))


def test_what_nobody_waits_for_may_be_undefined(numbers):
    [report] = epochs(TextConfig(data=numbers(2), model="tiny", max_epochs=1, early_stopping_patience=1))
    assert "pearson" not in report.metrics


def test_answers_that_are_all_the_same_are_no_gain(prices_that_say_nothing):
    config = TextConfig(
        data=prices_that_say_nothing,
        model="tiny",
        precision="fp32",
        max_epochs=9,
        early_stopping_patience=2,
        early_stopping_metric="pearson",
    )
    reports = list(epochs(config))
    assert [report.metrics["pearson"] for report in reports] == [0, 0, 0, 0]  # the last is the first again
    assert reports[-1].metrics["loss"] == reports[0].metrics["loss"]


@pytest.fixture
def prices_that_say_nothing(tmp_path):
    """All texts are one to the tokenizer, so that any model gives one answer."""
    for split, start in {"train": 0, "valid": 100}.items():
        lines = [f"{chr(0x4E00 + start + row)},{row % 4}\n" for row in range(40)]
        (tmp_path / f"{split}.csv").write_text("text,label\n" + "".join(lines), encoding="utf-8")
    return TextDataConfig(
        train=str(tmp_path / "train.csv"),
        valid=str(tmp_path / "valid.csv"),
        task="regression",
        cache=str(tmp_path / "cache"),
    )

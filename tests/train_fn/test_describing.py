"""What is shown of data before training: telling rows, lengths, what is easy; never a row of the test split."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing

from train_fn.data import TableDataConfig, TextDataConfig, load
from train_fn.describing import ROWS, describe_data, spread_rows, telling_rows

WORDS = {"fruit": "apple pear plum", "traffic": "car bus train", "colour": "red blue green"}


@pytest.fixture
def config(tmp_path: Path) -> TextDataConfig:
    """40, 20 and 10 rows of three labels that their words give away; rows of the test split say so."""
    for split, share in {"train": 1.0, "valid": 0.5, "test": 0.5}.items():
        rows = [
            {"text": f"{words} {split} {number}" + " long" * (number % 7), "label": label}
            for (label, words), most in zip(WORDS.items(), (40, 20, 10), strict=True)
            for number in range(int(most * share))
        ]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    files = {split: str(tmp_path / f"{split}.jsonl") for split in ("train", "valid", "test")}
    return TextDataConfig(**files, cache=str(tmp_path / "cache"))


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    """A folder with a tokenizer that knows words, puts one token before and one behind, and would cut and pad."""
    tokens = Tokenizer(WordLevel({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "[PAD]": 3}, unk_token="[UNK]"))
    tokens.pre_tokenizer = Whitespace()
    tokens.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    tokens.enable_truncation(4)
    tokens.enable_padding(pad_id=3, pad_token="[PAD]", length=64)
    tokens.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def test_the_rows_shown_are_of_the_commonest_classes_and_none_of_the_test(config: TextDataConfig) -> None:
    found = describe_data(config)
    assert found["examples"].keys() == {"train", "valid"}
    for split, rows in found["examples"].items():
        assert [row["label"] for row in rows] == ["fruit", "traffic", "colour"]
        assert all(split in row["text"] for row in rows)
    assert " test " not in json.dumps(found)


def test_lengths_are_those_of_the_training_texts(config: TextDataConfig, tokenizer: Path) -> None:
    texts = load(config).train.texts
    found = describe_data(config, model=tokenizer, max_length=10)["lengths"]
    assert found["characters"]["longest"] == max(map(len, texts))
    assert found["characters"]["median"] == np.median([len(text) for text in texts])
    words = np.array([len(text.split()) + 2 for text in texts])
    assert found["tokens"]["longest"] == words.max(), "neither cut nor padded"
    assert found["tokens"]["cut"] == (words > 10).mean() > 0


def test_a_model_without_a_tokenizer_file_is_measured_in_characters(config: TextDataConfig, tmp_path: Path) -> None:
    assert describe_data(config, model=tmp_path / "nothing", max_length=8)["lengths"].keys() == {"characters"}


def test_a_constant_answer_is_the_commonest_class_of_train(config: TextDataConfig) -> None:
    found, valid = describe_data(config)["constant"], load(config).valid.targets
    guess = np.full_like(valid, load(config).labels.index("fruit"))
    assert found["model"] == "always fruit"
    assert found["metrics"]["accuracy"] == accuracy_score(valid, guess) == 20 / 35
    assert found["metrics"]["f1_macro"] == f1_score(valid, guess, average="macro")


def test_words_that_give_the_label_away_are_easy(config: TextDataConfig) -> None:
    linear = describe_data(config)["linear"]
    assert linear["metrics"]["f1_macro"] == 1.0 and linear["rows"] == 70


def write_numbers(path: Path, rows: int) -> None:
    lines = [f"{i % 97},{'even' if i % 2 else 'odd'},{2 * (i % 97) + i % 2}" for i in range(rows)]
    path.write_text("\n".join(["x,kind,y", *lines]))


def test_columns_and_numbers_are_described_too(tmp_path: Path) -> None:
    write_numbers(tmp_path / "rows.csv", 400)
    config = TableDataConfig(
        file=str(tmp_path / "rows.csv"), label="y", task="regression", cache=str(tmp_path), near_duplicates="ignore"
    )
    found = describe_data(config)
    targets = load(config).train.targets
    least, middle, most = found["examples"]["train"]
    assert [least["label"], most["label"]] == [targets.min(), targets.max()] and least.keys() == {"label", "x", "kind"}
    assert least["label"] < middle["label"] < most["label"]
    assert "lengths" not in found
    assert found["linear"]["metrics"]["r2"] > 0.99 > 0.1 > found["constant"]["metrics"]["r2"]


def test_a_linear_model_sees_five_thousand_rows_unless_all_are_asked_for(tmp_path: Path) -> None:
    rows = ["text,label", *(f"{'sun' if i % 2 else 'rain'} {i},{i % 2}" for i in range(9_000))]
    (tmp_path / "rows.csv").write_text("\n".join(rows))
    config = TextDataConfig(file=str(tmp_path / "rows.csv"), cache=str(tmp_path), near_duplicates="ignore")
    assert describe_data(config)["linear"]["rows"] == ROWS
    assert describe_data(config, full=True)["linear"]["rows"] == 6_300


def test_folds_have_no_valid_split_to_score_on(config: TextDataConfig, tmp_path: Path) -> None:
    folds = TextDataConfig(train=config.train, folds=2, cache=str(tmp_path / "folds"))
    assert describe_data(folds).keys() == {"examples", "lengths"}


@given(counts=st.lists(st.integers(1, 200), min_size=1, max_size=6), most=st.integers(1, 300))
def test_rows_are_drawn_from_every_class_in_its_share(counts: list[int], most: int) -> None:
    targets = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    rows = spread_rows(targets, most)
    assert len(rows) == min(most, len(targets)) and (np.diff(rows) > 0).all()
    drawn = np.bincount(targets[rows], minlength=len(counts))
    assert (np.abs(drawn - np.array(counts) * len(rows) / len(targets)) < 2).all()


@pytest.mark.parametrize(
    ("targets", "rows"),
    [
        ([2, 0, 1, 1, 0, 1, 3], [2, 1, 0]),
        ([5.0, 1.0, 9.0, 4.0], [1, 0, 2]),
        ([7.0], [0]),
        ([[1, 0], [0, 1]], [0, 1]),
    ],
)
def test_the_rows_shown_tell_classes_or_sizes_apart(targets: list[Any], rows: list[int]) -> None:
    assert telling_rows(np.array(targets)) == rows

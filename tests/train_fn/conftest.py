"""A small labelled file, and configs that train a tiny model on it."""

import csv
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PretrainedConfig, PreTrainedModel

from tests.train_fn import small_models
from train_fn.config import TextConfig
from train_fn.data import TextDataConfig
from train_fn.report import Report

WORDS = {
    "fruit": ["apple", "pear", "plum", "fig", "cherry"],
    "traffic": ["car", "bus", "train", "tram", "bicycle"],
    "colour": ["red", "blue", "green", "pink", "grey"],
}
ANY_WORD = [word for words in WORDS.values() for word in words]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)  # small matrices are slower on two, and sums come in another order


@pytest.fixture(scope="session")
def toy_data(tmp_path_factory: pytest.TempPathFactory) -> TextDataConfig:
    """140 rows of 3 to 20 words, each the label's with probability 0.7: 98 to train on, which no batch size divides."""
    folder, chance = tmp_path_factory.mktemp("toy"), random.Random(0)
    with (folder / "toy.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        for index in range(140):
            label = list(WORDS)[index % 3]
            words = [
                chance.choice(WORDS[label] if chance.random() < 0.7 else ANY_WORD) for _ in range(3 + 17 * index // 140)
            ]
            rows.writerow([" ".join(words), label])
    return TextDataConfig(file=str(folder / "toy.csv"), cache=str(folder / "cache"))


@pytest.fixture
def toy(toy_data: TextDataConfig) -> Callable[..., TextConfig]:
    def config(**settings: Any) -> TextConfig:
        defaults = {"model": "tiny", "max_epochs": 2, "batch_size": 16, "learning_rate": 1e-3, "precision": "fp32"}
        return TextConfig(data=toy_data, **(defaults | settings))

    return config


@pytest.fixture
def no_dropout() -> dict[str, float]:
    return {"hidden_dropout": 0.0, "attention_dropout": 0.0, "classifier_dropout": 0.0}


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of a run that is to leave nothing there."""
    folder = tmp_path / "working directory"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def steady() -> Callable[[Report], dict[str, float]]:
    """A report's metrics without the only ones that may differ between equal runs."""

    def metrics(report: Report) -> dict[str, float]:
        return {
            name: value for name, value in report.metrics.items() if not name.startswith(("time/", "speed/", "memory/"))
        }

    return metrics


@pytest.fixture
def small_architecture() -> Callable[..., PretrainedConfig]:
    return small_models.architecture


@pytest.fixture
def random_model() -> Callable[[PretrainedConfig], PreTrainedModel]:
    return small_models.build

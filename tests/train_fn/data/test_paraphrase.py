"""Training texts also stand in other words."""

from collections.abc import Callable
from pathlib import Path

import pytest

from train_fn import data
from train_fn.data import TextDataConfig
from train_fn.errors import DataError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, name: str, body: str) -> str:
    (folder / f"{name}.py").write_text(f"def say(texts):\n    return {body}\n")
    return f"{name}:say"


def test_each_training_row_also_stands_in_other_words(here: Path, config: Callable[..., TextDataConfig]) -> None:
    plain = data.load(config())
    dotted = write(here, "louder", "[text.upper() for text in texts]")
    said = data.load(config(paraphrase=dotted))
    assert said.valid.texts == plain.valid.texts
    assert said.train.texts[: len(plain.train.texts)] == plain.train.texts
    again = [text.upper() for text in plain.train.texts]
    other = [text for text, before in zip(again, plain.train.texts, strict=True) if text != before]
    assert said.train.texts[len(plain.train.texts) :] == other and len(other) > 0  # Korean has no upper case
    labels = dict(zip(plain.train.texts, plain.train.targets.tolist(), strict=True))
    upper = {text.upper(): label for text, label in labels.items()}
    assert all(
        (labels | upper)[text] == label
        for text, label in zip(said.train.texts, said.train.targets.tolist(), strict=True)
    )


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        ("fewer", "texts[1:]", "`paraphrase` must return a text for each of .* texts, got a list of"),
        ("words", "'no list'", "`paraphrase` must return a text for each of .* texts, got a str from words:say"),
        ("broken", "1 / 0", "`paraphrase` must not fail, but broken:say raised ZeroDivisionError"),
    ],
)
def test_a_function_that_does_not_answer_is_named(
    here: Path, config: Callable[..., TextDataConfig], name: str, body: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        data.prepare(config(paraphrase=write(here, name, body)))


def test_other_words_of_a_row_could_not_stand_in_another_fold(config: Callable[..., TextDataConfig]) -> None:
    with pytest.raises(ValueError, match="`paraphrase` must be None beside folds: 3"):
        config(paraphrase="my_module:say", folds=3)

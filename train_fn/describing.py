"""What a person wants to see of their data before they pay for training: some rows, their lengths, what is easy.

Everything is read from train and valid; of the sealed test nothing is looked at. No torch is imported.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from train_fn import data
from train_fn.data import DataConfig, Examples, ImageExamples, Splits, TableExamples, TextExamples

EXAMPLES = 3  # of each split
ROWS = 5_000  # that are looked at, unless all are asked for


def describe_data(
    config: DataConfig, *, full: bool = False, model: Path | None = None, max_length: int | None = None
) -> dict[str, Any]:
    """Plain values under the names that `hpo check` shows; what cannot be said is left out.

    examples: split -> a few rows. lengths: of the training rows, in characters and, where a folder `model` holds a
    tokenizer.json, in tokens. constant and linear: what a constant answer and a linear model reach on valid. Lengths
    and the linear model are of at most 5,000 rows unless `full`.
    """
    from train_fn.quick_baseline import constant_answer, linear_model

    prepared, splits, rows = data.prepare(config), data.load_all(config), None if full else ROWS
    found: dict[str, Any] = {
        "examples": {name: examples(splits[name], prepared.labels) for name in ("train", "valid") if name in splits},
        "lengths": lengths(splits["train"], rows, model, max_length),
    }
    if "valid" in splits:  # which cross-validation has not
        known = Splits(train=splits["train"], valid=splits["valid"], task=prepared.task, labels=prepared.labels)
        found |= {"constant": constant_answer(known), "linear": linear_model(known, rows)}
    return {name: value for name, value in found.items() if value}


def examples(split: Examples, labels: tuple[str, ...]) -> list[dict[str, Any]]:
    return [{"label": answer(split.targets[row], labels), **inputs(split, row)} for row in telling_rows(split.targets)]


def telling_rows(targets: NDArray[Any]) -> list[int]:
    """The first row of each of the commonest classes, or the rows of the least, the middle and the greatest number."""
    if targets.ndim > 1:
        return list(range(min(EXAMPLES, len(targets))))
    if targets.dtype.kind == "f":
        order = np.argsort(targets, kind="stable")
        return [int(row) for row in dict.fromkeys((order[0], order[len(order) // 2], order[-1]))]
    classes, first, counts = np.unique(targets, return_index=True, return_counts=True)
    return [int(first[place]) for place in np.argsort(-counts, kind="stable")[:EXAMPLES]]


def answer(target: Any, labels: tuple[str, ...]) -> Any:
    if not labels:
        return float(target)
    if np.ndim(target):
        return [label for label, wanted in zip(labels, target, strict=True) if wanted]
    return labels[int(target)]


def inputs(split: Examples, row: int) -> dict[str, Any]:
    if isinstance(split, TextExamples):
        return {"text": split.texts[row]} | ({} if split.pairs is None else {"pair": split.pairs[row]})
    if isinstance(split, TableExamples):
        return {str(name): None if cell != cell else plain(cell) for name, cell in split.columns.iloc[row].items()}
    assert isinstance(split, ImageExamples)
    image = split.images[row]
    return {"image": str(image) if isinstance(image, Path) else "x".join(map(str, image.shape))}


def plain(cell: Any) -> Any:
    return cell.item() if isinstance(cell, np.generic) else cell


def lengths(
    split: Examples, most: int | None, model: Path | None, max_length: int | None
) -> dict[str, dict[str, float]]:
    """Unit -> median, 95 % and longest of the texts; of tokens also the share of rows that are cut."""
    if not isinstance(split, TextExamples):
        return {}
    rows = spread_rows(split.targets, most)
    texts = [(split.texts[row],) if split.pairs is None else (split.texts[row], split.pairs[row]) for row in rows]
    found = {"characters": summary(np.array([sum(map(len, several)) for several in texts]))}
    if model is not None and (model / "tokenizer.json").is_file():
        tokens = num_tokens(texts, model / "tokenizer.json")
        found["tokens"] = summary(tokens)
        if max_length is not None:
            found["tokens"] |= {"max_length": max_length, "cut": float((tokens > max_length).mean())}
    return found


def num_tokens(texts: Sequence[tuple[str, ...]], file: Path) -> NDArray[np.int64]:
    """As the model reads them, with what it puts before, between and after."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    encoded = tokenizer.encode_batch([several[0] if len(several) == 1 else several for several in texts])
    return np.array([len(row.ids) for row in encoded])


def summary(numbers: NDArray[np.int64]) -> dict[str, float]:
    return {
        "median": float(np.median(numbers)),
        "95 %": float(np.percentile(numbers, 95)),
        "longest": int(numbers.max()),
    }


def spread_rows(targets: NDArray[Any], most: int | None) -> NDArray[np.int64]:
    """At most so many rows, every class or size of number in its share."""
    if most is None or len(targets) <= most:
        return np.arange(len(targets))
    order = np.argsort(targets, kind="stable") if targets.ndim == 1 else np.arange(len(targets))
    return np.sort(order[np.linspace(0, len(targets) - 1, most).astype(np.int64)])

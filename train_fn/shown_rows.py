"""Rows of validation in words, for whoever wants to see what a model gets wrong."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy
from numpy.typing import NDArray

from train_fn import data
from train_fn.data import DataConfig, Prepared
from train_fn.data.examples import read_examples
from train_fn.describing import inputs

LONGEST = 300  # characters of a row

Show = Callable[[Sequence[int]], list[str]]  # row numbers of validation -> each in words


def show_rows(config: DataConfig, fold: int = 0) -> Show:
    """Of the split that validates, where it is cross-validated in this fold; they are read when they are asked for."""
    prepared = data.prepare(config)
    of_fold = numpy.flatnonzero(data.fold_of_rows(config) == fold) if config.folds > 1 else None
    return partial(in_words, prepared, of_fold)


def with_rows(details: Mapping[str, Any], show: Show) -> dict[str, Any]:
    """The rows that are told to be wrong, each with its text."""
    if "wrong" not in details:
        return {**details}
    texts = show([one["row"] for one in details["wrong"]])
    return {**details, "wrong": [{**one, "text": text} for one, text in zip(details["wrong"], texts, strict=True)]}


def in_words(prepared: Prepared, of_fold: NDArray[numpy.int64] | None, rows: Sequence[int]) -> list[str]:
    """Texts as they are, pairs and columns by their names, images by their files; cut where they are long."""
    if not rows:
        return []
    asked = numpy.array(rows, dtype=numpy.int64)
    split, places = ("valid", asked) if of_fold is None else ("train", of_fold[asked])
    found = read_examples(prepared, split, places)
    return [shortened(inputs(found, place)) for place in range(len(asked))]


def shortened(row: Mapping[str, object]) -> str:
    alone = len(row) == 1
    text = " | ".join(str(value) if alone else f"{name}: {value}" for name, value in row.items() if value is not None)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"

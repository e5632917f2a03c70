"""From a data config to splits that every trial shares: made by the first call, only read by the others."""

from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from train_fn.cache import made_once
from train_fn.data.config import DataConfig, ImageDataConfig, TableDataConfig, TextDataConfig
from train_fn.data.examples import read_examples, read_folds
from train_fn.data.identity import digest, identity
from train_fn.data.record import Examples, ImageExamples, Prepared, Splits, TableExamples, TextExamples
from train_fn.data.store import read_record, write
from train_fn.errors import DataError
from train_fn.seal import refuse_if_sealed


def prepare(config: DataConfig) -> Prepared:
    """Raises DataError before anything is written; safe to be called by many processes at once."""

    def fill(folder: Path) -> None:
        from train_fn.data.tables import read_splits  # imports pandas, which a prepared folder does not need

        splits, report = read_splits(config)
        write(folder, splits, config.task, report)

    folder = Path(config.cache).expanduser() / "data" / digest(identity(config))
    return read_record(made_once(folder, fill, config.cache_gb))


@overload
def load(config: TextDataConfig, fold: int = 0) -> Splits[TextExamples]: ...
@overload
def load(config: ImageDataConfig, fold: int = 0) -> Splits[ImageExamples]: ...
@overload
def load(config: TableDataConfig, fold: int = 0) -> Splits[TableExamples]: ...
def load(config: DataConfig, fold: int = 0) -> Splits[Any]:
    """What training runs on, where it is cross-validated in one fold; never touches the test split."""
    prepared = prepare(config)
    if config.folds > 1:
        of_row = read_folds(prepared)
        train = read_examples(prepared, "train", np.flatnonzero(of_row != fold))
        valid = read_examples(prepared, "train", np.flatnonzero(of_row == fold))
    else:
        train, valid = read_examples(prepared, "train"), read_examples(prepared, "valid")
    return Splits(train=train, valid=valid, task=prepared.task, labels=prepared.labels)


def load_all(config: DataConfig) -> dict[str, Any]:
    """Every split but the test split: train, valid, unlabelled, as far as there are such."""
    prepared = prepare(config)
    return {split: read_examples(prepared, split) for split in prepared.rows if split != "test"}


def fold_of_rows(config: DataConfig) -> NDArray[np.int64]:
    """Of cross-validation: the fold that each row of train is to validate."""
    return read_folds(prepare(config))


@overload
def open_test(config: TextDataConfig) -> TextExamples: ...
@overload
def open_test(config: ImageDataConfig) -> ImageExamples: ...
@overload
def open_test(config: TableDataConfig) -> TableExamples: ...
def open_test(config: DataConfig) -> Examples:
    """The sealed split, to be opened once for the winner of a search; refused while a trial trains in this process."""
    refuse_if_sealed()
    prepared = prepare(config)
    if "test" not in prepared.rows:
        raise DataError(
            "a sealed test needs a test split, got train and valid alone; give `test`, or one `file` to split in three"
        )
    return read_examples(prepared, "test")

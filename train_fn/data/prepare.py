"""From a data config to splits that every trial shares: made by the first call, only read by the others."""

from pathlib import Path

from train_fn.data.config import DataConfig
from train_fn.data.identity import digest, identity
from train_fn.data.record import Examples, Prepared, Splits
from train_fn.data.store import read_examples, read_record, write
from train_fn.errors import DataError


def prepare(config: DataConfig) -> Prepared:
    """Raises DataError before anything is written; safe to be called by many processes at once."""
    folder = Path(config.cache).expanduser() / "data" / digest(identity(config))
    if not folder.is_dir():
        from train_fn.data.tables import read_splits  # imports pandas, which a prepared folder does not need

        write(folder, read_splits(config), config.task)
    return read_record(folder)


def load(config: DataConfig) -> Splits:
    """What training runs on; never touches the test split."""
    prepared = prepare(config)
    return Splits(
        train=read_examples(prepared, "train"),
        valid=read_examples(prepared, "valid"),
        task=prepared.task,
        labels=prepared.labels,
    )


def open_test(config: DataConfig) -> Examples:
    """The sealed split, to be opened once for the winner of a search: a test that choices look at is a second valid."""
    prepared = prepare(config)
    if "test" not in prepared.rows:
        raise DataError(
            "a sealed test needs a test split, got train and valid alone; give `test`, or one `file` to split in three"
        )
    return read_examples(prepared, "test")

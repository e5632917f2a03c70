"""From a data config to checked splits in memory."""

import pandas as pd

from train_fn.data.check import check_classes, check_labels_known, check_numbers_differ, labelled_texts
from train_fn.data.config import DataConfig
from train_fn.data.docstrings import docstrings
from train_fn.data.files import read_file
from train_fn.data.hub import read_hub
from train_fn.data.identity import named_files
from train_fn.data.split import complete, queries, subset


def read_splits(config: DataConfig) -> dict[str, pd.DataFrame]:
    """Split -> table of `text`, perhaps `pair`, and `label`; "test" is absent where there is no sealed test."""
    tables = {name: labelled_texts(table, config, place) for name, (table, place) in read_tables(config).items()}
    splits = complete(tables, config)
    if config.task == "classification":
        check_classes(splits["train"])
        check_labels_known(splits)
    else:
        check_numbers_differ(splits["train"], config.task)
    splits["train"] = subset(splits["train"], config.max_train_rows, "max_train_rows", config)
    splits["valid"] = subset(splits["valid"], config.max_valid_rows, "max_valid_rows", config)
    if config.task == "ranking":  # the rows of a query side by side, in the order of its first one
        return {name: table.iloc[queries(table).argsort(kind="stable")] for name, table in splits.items()}
    return splits


def read_tables(config: DataConfig) -> dict[str, tuple[pd.DataFrame, str]]:
    """Split, or "all" where it is to be split here -> table as it was found, and where that was."""
    if config.source == "docstrings":
        return {"all": (pd.DataFrame(docstrings()), "docstrings")}
    if config.source:
        return {
            split: (table, f"{split} split of {config.source}")
            for split, table in read_hub(config.source, config.label).items()
        }
    return {
        "all" if name == "file" else name: (read_file(name, path), path) for name, path in named_files(config).items()
    }

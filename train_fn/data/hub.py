"""How a hub data set, or a folder written by datasets.save_to_disk, becomes tables."""

from pathlib import Path
from typing import Any

import pandas as pd

from train_fn.errors import DataError

SPLIT_NAMES = {"train": ("train",), "valid": ("validation", "valid", "dev"), "test": ("test",)}


def read_hub(source: str, label: str) -> dict[str, pd.DataFrame]:
    """Split -> table; a data set that has no valid and test split comes back as "all"."""
    found = fetch(source)
    tables = {}
    for split, names in SPLIT_NAMES.items():
        name = next((name for name in names if name in found), None)
        if name is not None:
            tables[split] = to_table(found[name], label)
    if "train" not in tables:
        raise DataError(f"`source` must have a train split, {source} has {', '.join(found)}; give its files as `train`")
    if "test" in tables and label in tables["test"] and tables["test"][label].isna().all():
        del tables["test"]  # benchmarks such as GLUE keep their test labels to themselves
    return {"all": tables["train"]} if list(tables) == ["train"] else tables


def fetch(source: str) -> dict[str, Any]:
    """Name of a split -> datasets.Dataset; `name:subset` picks one configuration of a data set."""
    from datasets import Dataset, load_dataset, load_from_disk
    from datasets.exceptions import DatasetsError

    try:
        if Path(source).is_dir():
            found = load_from_disk(source)
        else:
            name, _, subset = source.partition(":")
            found = load_dataset(name, subset or None)
    except (DatasetsError, OSError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"`source` must be docstrings, a folder of save_to_disk or a hub data set, got {source}: {reason}; "
            "check the name and the network, or give files"
        ) from error
    return {"train": found} if isinstance(found, Dataset) else dict(found)


def to_table(split: Any, label: str) -> pd.DataFrame:
    """Labels kept as numbers get the names that the data set itself has for them; -1 is its way to say none."""
    table = split.to_pandas()
    names = getattr(split.features.get(label), "names", None)
    if names:
        table[label] = [names[int(index)] if index >= 0 else None for index in table[label]]
    return table

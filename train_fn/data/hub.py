"""How a hub data set, or a folder written by datasets.save_to_disk, becomes tables."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from train_fn import hub
from train_fn.data.parquet import without_index
from train_fn.data.table import Table
from train_fn.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

SPLIT_NAMES = {"train": ("train",), "valid": ("validation", "valid", "dev"), "test": ("test",)}


def read_hub(source: str, label: str) -> dict[str, Table]:
    """Split -> table; a data set that has no valid and test split comes back as "all"."""
    found = fetch(source)
    tables = {}
    for split, names in SPLIT_NAMES.items():
        name = next((name for name in names if name in found), None)
        if name is not None:
            tables[split] = Table(frame=to_frame(found[name], label), place=f"{name} split of {source}")
    if "train" not in tables:
        raise DataError(f"`source` must have a train split, {source} has {', '.join(found)}; give its files as `train`")
    if "test" in tables and label in tables["test"].frame and tables["test"].frame[label].isna().all():
        del tables["test"]  # benchmarks such as GLUE keep their test labels to themselves
    return {"all": tables["train"]} if list(tables) == ["train"] else tables


def fetch(source: str) -> Mapping[str, Any]:
    """Name of a split -> datasets.Dataset; `name:subset` picks one configuration of a data set."""
    from datasets import Dataset, load_from_disk
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    folder = Path(source).expanduser()
    try:
        if is_saved(folder):
            found = load_from_disk(str(folder))
        elif folder.is_dir():  # which load_dataset would read, whatever lies there
            raise ValueError("this folder was not written by save_to_disk")
        else:
            name, _, subset = source.partition(":")
            validate_repo_id(source if subset.startswith("//") else name)  # no ../x, no https://
            found = downloaded(name, subset)
    except Exception as error:  # a broken folder fails in many ways, and so does the network
        reason = " ".join(str(error).split())
        raise DataError(
            f"`source` must be docstrings, a folder of save_to_disk or a hub data set, got {source}: {reason}; "
            "check the name and the network, or give files"
        ) from error
    return {"train": found} if isinstance(found, Dataset) else dict(found)


def downloaded(name: str, subset: str) -> Any:
    """Now or, where the hub does not answer, before."""
    from datasets import load_dataset

    if hub.answers():
        return load_dataset(name, subset or None)
    try:
        with from_the_cache():
            return load_dataset(name, subset or None)
    except Exception as error:
        raise ConnectionError("the hub does not answer, and it was not downloaded before") from error


@contextmanager
def from_the_cache() -> Iterator[None]:
    """Within, the libraries look at what they downloaded before, as by HF_HUB_OFFLINE=1."""
    import datasets
    from huggingface_hub import constants

    places: tuple[Any, ...] = (constants, datasets.config)
    before = [place.HF_HUB_OFFLINE for place in places]
    try:
        for place in places:
            place.HF_HUB_OFFLINE = True
        yield
    finally:
        for place, offline in zip(places, before, strict=True):
            place.HF_HUB_OFFLINE = offline


def is_saved(folder: Path) -> bool:
    """Whether datasets.save_to_disk wrote it, of one data set or of its splits."""
    return (folder / "state.json").is_file() or (folder / "dataset_dict.json").is_file()


def to_frame(split: Any, label: str) -> "pd.DataFrame":
    """Labels kept as numbers get the names that the data set itself has for them; -1 is its way to say none."""
    table = without_index(split.to_pandas())
    feature = split.features.get(label)
    names = getattr(feature, "names", None) or getattr(getattr(feature, "feature", None), "names", None)
    if names:
        table[label] = [named(value, names) for value in table[label]]
    return table


def named(value: Any, names: list[str]) -> Any:
    """Of one class id, or of several."""
    if hasattr(value, "__len__"):
        return [names[int(index)] for index in value]
    return names[int(value)] if value is not None and value >= 0 else None

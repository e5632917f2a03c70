"""What a prepared folder holds, and how it comes to be whole or not at all."""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from train_fn.checkpoint import sync
from train_fn.data.record import Examples, Prepared
from train_fn.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

RECORD = "prepared.json"


def write(folder: Path, splits: "Mapping[str, pd.DataFrame]") -> None:
    """Fills a temporary folder and renames it; of several processes that write the same, the first wins."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(prefix=f"{folder.name}.", dir=folder.parent)
    except OSError as error:
        raise DataError(
            f"`cache` must be a folder that can be written, got {folder.parent}: {error.strerror}; name another"
        ) from error
    with scratch as temporary:
        unfinished = Path(temporary) / folder.name
        unfinished.mkdir()
        for split, table in splits.items():
            table.to_parquet(unfinished / f"{split}.parquet", index=False)
        (unfinished / RECORD).write_text(json.dumps(describe(splits), ensure_ascii=False, indent=2), encoding="utf-8")
        for path in (*unfinished.iterdir(), unfinished):
            sync(path)  # or a power cut could leave the name without the rows
        try:
            os.rename(unfinished, folder)
        except OSError:
            if not folder.is_dir():  # else another process was first, with the same rows
                raise


def describe(splits: "Mapping[str, pd.DataFrame]") -> dict[str, object]:
    return {
        "labels": sorted(set(splits["train"]["label"])),
        "rows": {split: len(table) for split, table in splits.items()},
        "classes": {split: table["label"].value_counts().sort_index().to_dict() for split, table in splits.items()},
        "fingerprint": fingerprint(splits),
    }


def fingerprint(splits: "Mapping[str, pd.DataFrame]") -> str:
    """The first half of a SHA-256 over every row of every split: 32 characters, for MLflow takes no more than 36."""
    rows = {split: table[["text", "label"]].to_numpy().tolist() for split, table in splits.items()}
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()[:32]


def read_record(folder: Path) -> Prepared:
    known = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    return Prepared(folder=folder, **{**known, "labels": tuple(known["labels"])})


def read_examples(prepared: Prepared, split: str) -> Examples:
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(prepared.folder / f"{split}.parquet")
    class_ids = {label: class_id for class_id, label in enumerate(prepared.labels)}
    targets = [class_ids[label] for label in table["label"].to_pylist()]
    return Examples(texts=table["text"].to_pylist(), targets=np.array(targets, dtype=np.int64))

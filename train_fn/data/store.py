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


def write(folder: Path, splits: "Mapping[str, pd.DataFrame]", task: str) -> None:
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
        (unfinished / RECORD).write_text(
            json.dumps(describe(splits, task), ensure_ascii=False, indent=2), encoding="utf-8"
        )
        for path in (*unfinished.iterdir(), unfinished):
            sync(path)  # or a power cut could leave the name without the rows
        try:
            os.rename(unfinished, folder)
        except OSError:
            if not folder.is_dir():  # else another process was first, with the same rows
                raise


def describe(splits: "Mapping[str, pd.DataFrame]", task: str) -> dict[str, object]:
    classes = task == "classification"
    return {
        "task": task,
        "labels": sorted(set(splits["train"]["label"])) if classes else [],
        "rows": {split: len(table) for split, table in splits.items()},
        "classes": {split: count(table["label"]) for split, table in splits.items()} if classes else {},
        "fingerprint": fingerprint(splits),
    }


def count(labels: "pd.Series") -> dict[str, int]:
    return {str(label): int(rows) for label, rows in labels.value_counts().sort_index().items()}


def fingerprint(splits: "Mapping[str, pd.DataFrame]") -> str:
    """The first half of a SHA-256 over every row of every split: 32 characters, for MLflow takes no more than 36."""
    rows = {
        split: table[[name for name in ("text", "pair", "label") if name in table]].to_numpy().tolist()
        for split, table in splits.items()
    }
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()[:32]


def read_record(folder: Path) -> Prepared:
    known = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    return Prepared(folder=folder, **{**known, "labels": tuple(known["labels"])})


def read_examples(prepared: Prepared, split: str) -> Examples:
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(prepared.folder / f"{split}.parquet")
    texts, labels = table["text"].to_pylist(), table["label"].to_pylist()
    class_ids = {label: class_id for class_id, label in enumerate(prepared.labels)}
    if class_ids:
        targets = np.array([class_ids[label] for label in labels], dtype=np.int64)
    else:
        targets = np.array(labels, dtype=np.float32)
    numbers = {query: number for number, query in enumerate(dict.fromkeys(texts))}
    return Examples(
        texts=texts,
        targets=targets,
        pairs=table["pair"].to_pylist() if "pair" in table.column_names else None,
        groups=np.array([numbers[query] for query in texts]) if prepared.task == "ranking" else None,
    )

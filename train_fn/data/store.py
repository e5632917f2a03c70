"""What a prepared folder holds."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from train_fn.data.record import Prepared

if TYPE_CHECKING:
    import pandas as pd

RECORD = "prepared.json"
UNLABELLED = "unlabelled"  # the split whose rows have no label


def write(folder: Path, splits: "Mapping[str, pd.DataFrame]", task: str, report: Mapping[str, Any]) -> None:
    for split, table in splits.items():
        if "image" in table and not isinstance(table["image"].iloc[0], str):
            np.save(folder / f"{split}.images.npy", np.stack(table["image"].tolist()), allow_pickle=False)
            table = table.drop(columns="image")
        table.to_parquet(folder / file_name(split), index=False)
    (folder / RECORD).write_text(
        json.dumps(describe(splits, task) | {"report": report}, ensure_ascii=False, indent=2), encoding="utf-8"
    )


def file_name(split: str) -> str:
    """The sealed one under a name of its own, so that nobody who reads all tables of the folder has it among them."""
    return f"{split}.sealed" if split == "test" else f"{split}.parquet"


def describe(splits: "Mapping[str, pd.DataFrame]", task: str) -> dict[str, object]:
    labelled = (
        {} if task in ("regression", "ranking") else {name: splits[name] for name in splits if name != UNLABELLED}
    )
    named = {
        split: table["label"].explode().dropna() for split, table in labelled.items()
    }  # explode: of several labels
    return {
        "task": task,
        "labels": sorted(set(named["train"])) if named else [],
        "rows": {split: len(table) for split, table in splits.items()},
        "classes": {split: count(labels) for split, labels in named.items()},
        "fingerprints": {split: fingerprint({split: table}) for split, table in splits.items()},
        "fingerprint": fingerprint(splits),
    }


def count(labels: "pd.Series") -> dict[str, int]:
    return {str(label): int(rows) for label, rows in labels.value_counts().sort_index().items()}


def fingerprint(splits: "Mapping[str, pd.DataFrame]") -> str:
    """The first half of a SHA-256 over every row of every split: 32 characters, for MLflow takes no more than 36."""
    digest = hashlib.sha256()
    for split, table in sorted(splits.items()):
        digest.update(json.dumps([split, len(table), sorted(table.columns)]).encode())
        for name in sorted(table.columns):
            for part in written(table[name]):
                digest.update(part)
    return digest.hexdigest()[:32]


def written(column: "pd.Series") -> Iterator[bytes]:
    """A column as bytes that no other column has, however pandas keeps it: numbers, or lengths and then the cells."""
    if column.dtype.kind in "biuf":
        yield b"numbers"
        yield np.ascontiguousarray(column, dtype=np.float64).tobytes()
        return
    yield b"cells"
    for start in range(0, len(column), 100_000):  # not all at once: a million texts need gigabytes
        cells = [content(cell, column.name == "image") for cell in column.iloc[start : start + 100_000].tolist()]
        yield np.array([-1 if cell is None else len(cell) for cell in cells], dtype=np.int64).tobytes()
        yield b"".join(cell for cell in cells if cell is not None)


def content(cell: Any, image: bool) -> bytes | None:
    """Of an image what it shows, not where it lies."""
    if isinstance(cell, str):
        return digest_of_file(cell) if image else cell.encode()
    if isinstance(cell, np.ndarray):
        return hashlib.sha256(f"{cell.shape}".encode() + np.ascontiguousarray(cell).tobytes()).digest()
    if isinstance(cell, list):
        return json.dumps(cell).encode()
    return None  # missing, as None or NaN


def digest_of_file(path: str) -> bytes:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def read_record(folder: Path) -> Prepared:
    known = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    return Prepared(folder=folder, **{**known, "labels": tuple(known["labels"])})

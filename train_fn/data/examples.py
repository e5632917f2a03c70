"""The rows of a prepared split, as training takes them."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from train_fn.data.record import ImageExamples, Prepared, TableExamples, TextExamples
from train_fn.data.store import file_name

FEATURE = "x."  # begins the name of each column of a table that is learned from: none can be taken for the label

UNLABELLED = -1  # in place of a class id


def read_examples(prepared: Prepared, split: str, rows: NDArray[np.int64] | None = None) -> Any:
    """TextExamples, ImageExamples or TableExamples, as the columns tell; of all rows, unless some are named."""
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(prepared.folder / file_name(split))
    table = table if rows is None else table.take(rows)
    wanted = targets(table["label"].to_pylist(), prepared)
    if "text" in table.column_names:
        texts = table["text"].to_pylist()
        numbers = {query: number for number, query in enumerate(dict.fromkeys(texts))}
        return TextExamples(
            texts=texts,
            targets=wanted,
            pairs=table["pair"].to_pylist() if "pair" in table.column_names else None,
            groups=np.array([numbers[query] for query in texts]) if prepared.task == "ranking" else None,
        )
    images = prepared.folder / f"{split}.images.npy"
    if images.is_file():
        pixels = np.load(images, mmap_mode="r")
        return ImageExamples(images=pixels if rows is None else pixels[rows], targets=wanted)
    if "image" in table.column_names:
        return ImageExamples(images=[Path(path) for path in table["image"].to_pylist()], targets=wanted)
    features = table.select([name for name in table.column_names if name.startswith(FEATURE)]).to_pandas()
    return TableExamples(columns=features.rename(columns=lambda name: name.removeprefix(FEATURE)), targets=wanted)


def read_folds(prepared: Prepared) -> NDArray[np.int64]:
    import pyarrow.parquet

    [folds] = pyarrow.parquet.read_table(prepared.folder / "train.parquet", columns=["fold"]).columns
    return np.array(folds.to_pylist(), dtype=np.int64)


def targets(labels: list[Any], prepared: Prepared) -> NDArray[Any]:
    class_ids = {label: class_id for class_id, label in enumerate(prepared.labels)}
    if prepared.task == "multi_label":
        found = np.zeros((len(labels), len(class_ids)), dtype=np.float32)
        for row, several in enumerate(labels):
            found[row, [class_ids[label] for label in several or ()]] = 1
        return found
    if class_ids:
        return np.array([UNLABELLED if label is None else class_ids[label] for label in labels], dtype=np.int64)
    # fp32 could not hold dates in seconds apart; grades are small
    return np.array(labels, dtype=np.float64 if prepared.task == "regression" else np.float32)

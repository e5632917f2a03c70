"""A checkpoint's files out of an MLflow model: what its trainable's `test` reads, and what `from_pretrained` loads."""

import shutil
from pathlib import Path

from train_fn import saved_estimator

ESTIMATOR = Path("data", saved_estimator.MODEL)


def is_hugging_face(folder: Path) -> bool:
    return (folder / "model" / "config.json").is_file()


def lay_out(folder: Path, to: Path) -> None:
    """`model/` of transformers, with its tokenizer or image processor beside the weights, or `model.skops`."""
    to.mkdir(parents=True, exist_ok=True)
    if is_hugging_face(folder):
        for part in [folder / "model", *sorted((folder / "components").glob("*"))]:
            shutil.copytree(part, to / "model", dirs_exist_ok=True)
    else:
        shutil.copy2(folder / ESTIMATOR, to / saved_estimator.MODEL)

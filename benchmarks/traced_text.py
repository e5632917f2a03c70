"""`train_fn.text`, which also notes in the file FIRST_STEP when an optimizer first took a step in this process."""

import os
from collections.abc import Iterator
from pathlib import Path

from first_step import note_first_step

from train_fn import text
from train_fn.config import TextConfig
from train_fn.report import Report, listens
from train_fn.text import check, checkpoint_bytes, describe, objectives, prepare

__all__ = ["check", "checkpoint_bytes", "describe", "epochs", "objectives", "prepare"]

seen = False


@listens
def epochs(config: TextConfig, resume_from: Path | None = None) -> Iterator[Report]:
    global seen
    if not seen:
        note_first_step(Path(os.environ["FIRST_STEP"]))
        seen = True
    yield from text.epochs(config, resume_from)

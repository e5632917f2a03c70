"""How a run is shared out: alone, in folds side by side, or over several processes."""

from collections.abc import Iterator
from pathlib import Path

from train_fn.config import ImageConfig, TextConfig
from train_fn.folds import fine_tune_folds
from train_fn.loop import fine_tune
from train_fn.processes import fine_tune_together
from train_fn.report import Report


def run(config: TextConfig | ImageConfig, resume_from: Path | None) -> Iterator[Report]:
    if config.data.folds > 1:
        return fine_tune_folds(config, resume_from)
    if config.num_processes > 1:
        return fine_tune_together(config, resume_from)
    return fine_tune(config, resume_from)

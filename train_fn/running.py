"""How a run is shared out: alone, in folds side by side, over several processes, or in a lane beside other runs."""

from collections.abc import Iterator
from pathlib import Path

from train_fn.config import ImageConfig, TextConfig
from train_fn.fused.client import fine_tune_in_lane
from train_fn.importing import uncollected
from train_fn.report import Report


def run(config: TextConfig | ImageConfig, resume_from: Path | None) -> Iterator[Report]:
    if config.fuse_trials:  # the one way that needs no torch here
        return fine_tune_in_lane(config, resume_from)
    with uncollected():
        from train_fn.loop import fine_tune
    if config.data.folds > 1:
        from train_fn.folds import fine_tune_folds

        return fine_tune_folds(config, resume_from)
    if config.num_processes > 1:
        from train_fn.processes import fine_tune_together

        return fine_tune_together(config, resume_from)
    return fine_tune(config, resume_from)

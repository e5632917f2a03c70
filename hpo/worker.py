"""Trains one segment and says each report; knows neither Ray nor the search."""

import os
import sys
import time
import traceback
from collections.abc import Generator
from numbers import Real
from pathlib import Path

from hpo.segment import Failed, Reported, Said, Segment
from hpo.trainable import build_config, config_class, resolve
from train_fn.checkpoint import commit
from train_fn.report import Report


def run_segment(segment: Segment) -> Generator[Said, None, None]:
    """Each report, its checkpoint already on disk; a Failed is the last word. Closing it stops the training."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # otherwise every forked helper prints a warning
    os.environ["OMP_NUM_THREADS"] = str(segment.threads)  # for a torch that the trainable is yet to import
    try:
        trainable = resolve(segment.trainable)
        config = build_config(config_class(trainable), segment.config)
        _use_threads(segment.threads)
        reports = trainable(config, resume_from=Path(segment.checkpoint) if segment.checkpoint else None)
        try:
            began = time.monotonic()
            for step, report in enumerate(reports, start=segment.from_step + 1):
                seconds = time.monotonic() - began
                yield Reported(
                    step=step,
                    epoch=float(report.epoch),
                    metrics=_numbers(report),
                    seconds=seconds,
                    checkpoint=_checkpoint(report, Path(segment.folder), step, segment.attempt),
                    diverged=report.diverged,
                )
                began = time.monotonic()
        finally:
            reports.close()
    except Exception as error:
        yield Failed(error=_one_line(error), details=traceback.format_exc())


def checkpoint_name(step: int, attempt: int) -> str:
    """The attempt is in the name: a late writer of an older attempt never touches a newer one's files."""
    return f"checkpoint-{step:04d}-{attempt}"


def _checkpoint(report: Report, folder: Path, step: int, attempt: int) -> str | None:
    if report.save is None:
        return None
    name = checkpoint_name(step, attempt)
    commit(folder / name, report.save)
    return name


def _numbers(report: Report) -> dict[str, float]:
    for name, value in report.metrics.items():
        if not isinstance(name, str) or not isinstance(value, Real) or isinstance(value, bool):
            raise TypeError(
                f"a metric must be a number under a name, got {name!r}: {type(value).__name__} {str(value)[:40]}"
            )
    return {name: float(value) for name, value in report.metrics.items()}


def _use_threads(threads: int) -> None:
    """For a torch that is there already; a trainable without one does not pay for it."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    name = type(error).__name__
    return text if type(error).__module__.startswith(("train_fn", "hpo")) and text else f"{name}: {text}"[:500]

"""Cross-validation: one run for each fold, side by side, and one report for all of them.

The folds go from evaluation to evaluation together, so that a search can stop a trial as early as any other. They are
in memory together, too: k models with the state of their optimizers.
"""

import statistics
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy
from numpy.typing import NDArray

from train_fn import data
from train_fn.config import ImageConfig, TextConfig
from train_fn.loop import fine_tune, last_report
from train_fn.metrics import HIGHER_IS_BETTER
from train_fn.metrics.pooled import pooled
from train_fn.report import Report
from train_fn.setup import material_of


def fine_tune_folds(config: TextConfig | ImageConfig, resume_from: Path | None = None) -> Iterator[Report]:
    """Metrics are means over the folds; `spread/NAME` is the standard deviation of a metric of validation over them.

    What is told of single answers is of all rows: each was answered by the model that has not seen it.
    """
    of_row = data.fold_of_rows(config.data)
    rows = [numpy.flatnonzero(of_row == fold) for fold in range(config.data.folds)]
    makers = [partial(material_of, fold=fold) for fold in range(config.data.folds)]
    places = [None if resume_from is None else fold_folder(resume_from, fold) for fold in range(config.data.folds)]
    runs = [fine_tune(config, place, maker) for place, maker in zip(places, makers, strict=True)]
    reports: list[Report | None] = [None] * config.data.folds
    try:
        while True:
            new = [next(run, None) for run in runs]
            if not any(new):
                return
            for fold, (report, place) in enumerate(zip(new, places, strict=True)):
                if report is not None:
                    reports[fold] = report
                elif reports[fold] is None and place is not None:
                    reports[fold] = last_report(config, place, makers[fold])
            # a fold whose patience has ended waits for the others with its last report
            yield together([report for report in reports if report is not None], config.data.task, rows)
            if any(report and report.diverged for report in new):
                return
    finally:
        for run in runs:
            run.close()


def together(reports: Sequence[Report], task: str, rows: Sequence[NDArray[numpy.int64]]) -> Report:
    """`rows`: of each fold the numbers, among all, of the rows that it validates on."""
    diverged = [f"{report.diverged} in fold {fold}" for fold, report in enumerate(reports) if report.diverged]
    if diverged:
        return Report(epoch=max(report.epoch for report in reports), metrics={}, diverged=diverged[0])
    names = set.intersection(*(set(report.metrics) for report in reports))
    values = {name: [report.metrics[name] for report in reports] for name in sorted(names)}
    spread = {f"spread/{name}": statistics.stdev(of) for name, of in values.items() if name in HIGHER_IS_BETTER[task]}

    def save(folder: Path) -> None:
        for fold, report in enumerate(reports):
            assert report.save is not None
            fold_folder(folder, fold).mkdir()
            report.save(fold_folder(folder, fold))

    return Report(
        epoch=max(report.epoch for report in reports),
        metrics={name: statistics.fmean(of) for name, of in values.items()} | spread,
        save=save,
        details={
            **{f"fold_{fold}": report.details for fold, report in enumerate(reports)},
            **pooled([report.details for report in reports], rows),
        },
    )


def fold_folder(checkpoint: Path, fold: int) -> Path:
    return checkpoint / f"fold-{fold}"

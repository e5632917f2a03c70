"""A segment's reports, each told when its checkpoint is on the disk; where a run lends a copy, it goes on meanwhile."""

import time
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from hpo import evaluations
from hpo.desk import Desk
from hpo.plain_report import plain
from hpo.segment import Reported, Segment
from train_fn.checkpoint import commit
from train_fn.report import BETWEEN_STEPS, Report, Save


def told(
    reports: Generator[Any, bool | None, None], listens: bool, desk: Desk, segment: Segment
) -> Generator[Reported, None, None]:
    """In their order, each before the next one is told; at a stop less than the way to the next one is wasted."""
    step, seconds = segment.from_step, 0.0
    unwritten: Future[Reported] | None = None
    with ThreadPoolExecutor(1, thread_name_prefix="checkpoint") as disk:
        while True:
            began = time.monotonic()
            try:
                said = reports.send(True if unwritten else None)
            except Exception as end:
                if unwritten:  # whatever came of the steps after it
                    yield unwritten.result()
                if isinstance(end, StopIteration):
                    return
                raise
            seconds += time.monotonic() - began
            if unwritten and (said is not BETWEEN_STEPS or unwritten.done()):
                yield unwritten.result()
                unwritten = None
            if said is BETWEEN_STEPS:
                continue
            step += 1
            report, seconds = _reported(said, step, seconds), 0.0
            if said.save is None or segment.node:
                yield report
            elif listens and said.snapshot is not None:
                unwritten = disk.submit(_written, report, said.snapshot(), desk, segment)
            else:
                yield _written(report, said.save, desk, segment)


def checkpoint_name(step: int, attempt: int) -> str:
    """The attempt is in the name: a late writer of an older attempt never touches a newer one's files."""
    return f"checkpoint-{step:04d}-{attempt}"


def _reported(report: Report, step: int, seconds: float) -> Reported:
    checked = plain(report)
    return Reported(
        step=step,
        epoch=checked.epoch,
        metrics=checked.metrics,
        seconds=seconds,
        checkpoint=None,
        diverged=checked.diverged,
        tables=evaluations.tables_of(report.details),
    )


def _written(report: Reported, save: Save, desk: Desk, segment: Segment) -> Reported:
    name = checkpoint_name(report.step, segment.attempt)
    desk.folder.mkdir(exist_ok=True)  # and none above it: of a study that somebody has deleted nothing is made anew
    commit(desk.folder / name, save)
    desk.deliver(name)
    return replace(report, checkpoint=name)

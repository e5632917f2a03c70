"""What a run does while its checkpoint is written, and that nobody hears of a report before that is done."""

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event, get_ident
from typing import Any

import pytest

from hpo.desk import Desk
from hpo.segment import Reported, Segment
from hpo.worker import run_segment
from hpo.writing import told
from train_fn import images
from train_fn.checkpoint import verify
from train_fn.config import TextConfig
from train_fn.report import BETWEEN_STEPS, Report
from train_fn.text import epochs

SEGMENT = Segment(
    trial=0, attempt=1, trainable="", config={}, checkpoint=None, from_step=0, folder="", threads=1,
)  # fmt: skip
ENOUGH = 5  # steps
FOR_EVER = 100_000  # a run that takes them all has not been stopped
STEP = 0.001  # seconds


@dataclass
class Run:
    """Three intervals of `steps`; the disk takes in the first checkpoint when it has come to `disk_is_slow_until`."""

    steps: int = FOR_EVER
    disk_is_slow_until: int = 0
    raises_at: int = -1
    taken: int = 0  # steps
    closed: bool = False
    written_by: list[int] = field(default_factory=list)  # threads
    disk: Event = field(default_factory=Event)

    def reports(self) -> Generator[Report, bool | None, None]:
        asked = yield self.report(1)
        try:
            for interval in (2, 3):
                for _ in range(self.steps):
                    if asked:
                        asked = yield BETWEEN_STEPS
                    time.sleep(STEP)
                    if self.taken == self.raises_at:
                        raise RuntimeError("the steps after it")
                    self.taken += 1
                    if self.taken >= self.disk_is_slow_until:
                        self.disk.set()
                asked = yield self.report(interval)
        finally:
            self.closed = True

    def report(self, interval: int) -> Report:
        def save(folder: Path) -> None:
            self.written_by.append(get_ident())
            if self.disk_is_slow_until:
                assert self.disk.wait(60)
            (folder / "weights").write_text(str(interval))

        return Report(epoch=interval, metrics={"loss": 1 / interval}, save=save, snapshot=lambda: save)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(folder=tmp_path / "0000", checkpoint=None)


def words_of(run: Run, desk: Desk) -> Generator[Reported, None, None]:
    return told(run.reports(), True, desk, SEGMENT)


def weights(desk: Desk, word: Reported) -> str:
    verify(desk.folder / str(word.checkpoint))
    return (desk.folder / str(word.checkpoint) / "weights").read_text()


def test_the_run_takes_steps_while_the_disk_is_slow_and_is_told_of_when_that_is_done(desk: Desk) -> None:
    run = Run(disk_is_slow_until=ENOUGH)
    words = words_of(run, desk)
    first = next(words)
    assert ENOUGH <= run.taken < FOR_EVER
    assert weights(desk, first) == "1"
    words.close()


def test_a_run_that_is_not_to_go_on_ends_within_its_interval(desk: Desk) -> None:
    run = Run(disk_is_slow_until=ENOUGH)
    reports = run.reports()
    words = told(reports, True, desk, SEGMENT)
    next(words)
    taken = run.taken
    words.close()
    reports.close()
    assert run.closed and run.taken == taken < FOR_EVER


def test_no_step_is_taken_before_the_answer_to_a_report(desk: Desk) -> None:
    run = Run(disk_is_slow_until=ENOUGH)
    words = words_of(run, desk)
    next(words)
    taken = run.taken
    time.sleep(0.05)
    assert run.taken == taken
    words.close()


def test_of_two_reports_the_earlier_is_told_first_however_slow_its_disk(desk: Desk) -> None:
    run = Run(steps=2, disk_is_slow_until=2)
    said = list(words_of(run, desk))
    assert [(word.step, word.epoch, weights(desk, word)) for word in said] == [(1, 1, "1"), (2, 2, "2"), (3, 3, "3")]


def test_what_the_run_raises_meanwhile_is_heard_after_its_last_report(desk: Desk) -> None:
    run = Run(disk_is_slow_until=ENOUGH, raises_at=ENOUGH)
    words = words_of(run, desk)
    # the disk has been free since the step before, so that only who waits for it gets to the report
    assert weights(desk, next(words)) == "1"
    with pytest.raises(RuntimeError, match="the steps after it"):
        next(words)


def test_seconds_are_those_of_the_run_and_not_of_the_disk(desk: Desk) -> None:
    slow = 0.3

    def reports() -> Iterator[Report]:
        for epoch in (1, 2):
            yield Report(epoch=epoch, metrics={}, save=lambda folder: time.sleep(slow))

    assert all(word.seconds < slow for word in told(reports(), True, desk, SEGMENT))  # type: ignore[arg-type]


def test_seconds_count_all_steps_of_an_interval_also_those_before_the_report_is_told(desk: Desk) -> None:
    steps = 20
    first, second, third = words_of(Run(steps=steps, disk_is_slow_until=steps // 2), desk)
    assert first.seconds < second.seconds and min(second.seconds, third.seconds) >= steps * STEP


def test_of_a_run_that_does_not_listen_each_report_is_told_before_the_next_step(desk: Desk) -> None:
    run = Run(steps=ENOUGH)

    def around() -> Iterator[Report]:
        for report in run.reports():
            yield replace(report, metrics={**report.metrics, "mine": 1.0})

    said = [(word.step, weights(desk, word), run.taken) for word in told(around(), False, desk, SEGMENT)]  # type: ignore[arg-type]
    assert said == [(1, "1", 0), (2, "2", ENOUGH), (3, "3", 2 * ENOUGH)]
    assert set(run.written_by) == {get_ident()}


def test_what_is_fine_tuned_listens_and_a_function_around_it_does_not_unless_it_says_so() -> None:
    assert [getattr(one, "listens", False) for one in (epochs, images.epochs, waiting)] == [True, True, False]


def test_a_disk_that_fails_while_the_run_goes_on_ends_it(desk: Desk) -> None:
    desk.folder.write_text("in the way of the folder")
    with pytest.raises(FileExistsError):
        next(words_of(Run(), desk))


def test_a_segment_that_trains_on_reports_what_one_that_waits_does(tmp_path: Path) -> None:
    rows = "\n".join(f"{'red blue'.split()[row % 2]} number {row},{'ab'[row % 2]}" for row in range(60))
    (tmp_path / "rows.csv").write_text(f"text,label\n{rows}\n")
    config = {
        "data": {"file": str(tmp_path / "rows.csv"), "cache": str(tmp_path / "cache"), "near_duplicates": "ignore"},
        "model": "tiny", "max_epochs": 4, "batch_size": 4, "precision": "fp32",
    }  # fmt: skip

    def steady(trainable: str) -> list[Any]:
        folder = str(tmp_path / trainable.partition(":")[0])
        made = replace(SEGMENT, trainable=trainable, config=config, folder=folder)
        said = [word for word in run_segment(made) if isinstance(word, Reported)]
        volatile = ("time/", "speed/", "memory/")
        metrics = [{k: v for k, v in word.metrics.items() if not k.startswith(volatile)} for word in said]
        files = [
            {
                path.name: path.read_bytes()
                for path in (Path(folder) / str(word.checkpoint)).rglob("*.safetensors")
            }
            for word in said
        ]  # fmt: skip
        return [metrics, files]

    assert steady("train_fn.text:epochs") == steady("tests.hpo.test_writing:waiting")


def waiting(config: TextConfig, resume_from: Path | None = None) -> Iterator[Report]:
    """A loop around the same training, whose checkpoints are written before it goes on."""
    for report in epochs(config, resume_from):
        yield replace(report)

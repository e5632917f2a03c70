"""Whatever happens in whatever order, the ledger, its fold and the checkpoints stay true: invariants N1 to N5.

N1 a trial ends once and nothing follows; N2 no trial is asked twice; N3 each acknowledged report is there once, as it
was said; N4 no acknowledged step is trained again; N5 the checkpoints to go on from are there and whole.
"""

import os
import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule
from hypothesis.strategies import floats, integers, sampled_from

from hpo.engine import Engine
from hpo.history import fold
from hpo.ledger import Ledger
from hpo.paths import StudyPaths
from hpo.segment import Failed, Reported, Segment
from hpo.study import Study
from train_fn.checkpoint import commit, verify

TRIALS, EPOCHS = 5, 4
STUDY = Study.model_validate(
    {
        "study": "toy",
        "trainable": "tests.toy:epochs",
        "objective": {"maximize": "score"},
        "config": {"max_epochs": EPOCHS},
        "search_space": {"x": {"uniform": [-5.0, 5.0]}},
        "search": {"searcher": "random", "scheduler": "asha", "trials": TRIALS},
    }
)


class Killed(BaseException):
    """The driver is gone in the middle of a commit."""


class Driver(RuleBasedStateMachine):
    """One driver after the other over one ledger; workers that live on when their driver has died."""

    workers = Bundle("workers")
    words = Bundle("words")

    @initialize()
    def found(self) -> None:
        self.folder = tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
        self.paths = StudyPaths(Path(self.folder.name) / "toy")
        self.paths.root.mkdir()
        with closing(Ledger(self.paths.ledger, create=True)) as ledger:
            ledger.append("study", study_id="0" * 32, spec=STUDY.model_dump(exclude_unset=True), data={})
        self.now = 1_700_000_000.0
        self.clock = patch("hpo.ledger.time", SimpleNamespace(time=lambda: self.now))
        self.clock.start()
        self.before: list[Any] = []
        self.acknowledged: dict[tuple[int, int, int], float] = {}
        self.begin()

    def begin(self) -> None:
        self.engine = Engine(STUDY, self.paths, Ledger(self.paths.ledger), tell=lambda event: None)

    @rule(target=workers)
    def ask(self) -> Any:
        segment = self.engine.next_segment()
        if segment is None:
            return multiple()
        trial = self.engine.history.trials[segment.trial]
        assert segment.from_step == trial.last_step, "N4: what was acknowledged is not trained again"
        return segment

    @rule(target=words, worker=workers, score=floats(-9, 9))
    def report(self, worker: Segment, score: float) -> Any:
        """A worker says its next step, whether or not anybody still wants to hear it."""
        step = max((s for t, a, s in self.acknowledged if (t, a) == (worker.trial, worker.attempt)), default=None)
        step = (worker.from_step if step is None else step) + 1
        name = f"checkpoint-{worker.attempt:02d}-{step:06d}"
        if not (Path(worker.folder) / name).exists():
            commit(Path(worker.folder) / name, lambda to: [(to / "state").write_text(str(step))].clear())
        said = Reported(
            step=step, epoch=step, metrics={"score": score, "cost": -score}, seconds=1.0, checkpoint=name, diverged=None
        )
        self.deliver(worker, said)
        return worker, said

    @rule(word=words)
    def say_again(self, word: tuple[Segment, Reported]) -> None:
        self.deliver(*word)

    def deliver(self, worker: Segment, said: Reported) -> None:
        before = len(self.rows())
        goes_on = self.engine.reported(worker, said)
        key = (worker.trial, worker.attempt, said.step)
        if len(self.rows()) > before:
            assert key not in self.acknowledged, "N3: one row for a report that was said twice"
            self.acknowledged[key] = said.metrics["score"]
        if goes_on:
            assert key in self.acknowledged, "N3: a worker goes on only when its report is in the ledger"

    @rule(worker=workers)
    def complete(self, worker: Segment) -> None:
        self.engine.completed(worker)

    @rule(worker=workers, error=sampled_from(["ValueError: a", "ValueError: b"]))
    def fail(self, worker: Segment, error: str) -> None:
        self.engine.failed(worker, Failed(error=error, details=""))

    @rule(worker=workers)
    def lose(self, worker: Segment) -> None:
        self.engine.lost(worker, "the worker process died")

    @rule()
    def crash(self) -> None:
        self.engine.ledger.close()
        self.begin()

    @rule(after=integers(0, 2), worker=workers, score=floats(-9, 9))
    def crash_in_a_commit(self, after: int, worker: Segment, score: float) -> None:
        """The driver dies when it has written the first, second or third row of a transaction."""
        append, left = self.engine.ledger.append, iter(range(after))

        def cut(*arguments: Any, **columns: Any) -> Any:
            if next(left, None) is None:
                raise Killed
            return append(*arguments, **columns)

        before = self.rows()
        self.engine.ledger.append = cut  # type: ignore[method-assign]
        try:
            self.report(worker, score)
            self.engine.next_segment()
        except Killed:
            now = self.rows()
            whole_report = len(now) > len(before) and now[len(before)][2] == "reported"
            assert now == before or whole_report or now[len(before)][2] in ("asked", "started"), (
                "all of a commit or none"
            )
        self.engine.ledger.close()
        self.begin()

    @rule(jump=sampled_from([-3600.0, -1.0, 0.0, 86_400.0]))
    def jump(self, jump: float) -> None:
        self.now += jump

    def rows(self) -> list[Any]:
        with closing(sqlite3.connect(self.paths.ledger)) as connection:
            return connection.execute(
                "SELECT seq, trial, kind, attempt, step, payload FROM events ORDER BY seq"
            ).fetchall()

    @invariant()
    def all_holds(self) -> None:
        before, self.before = self.before, self.rows()
        assert self.before[: len(before)] == before, "nothing is taken back"
        assert [row[0] for row in self.before] == list(range(1, len(self.before) + 1))
        self.the_history_is_the_fold()
        self.a_trial_is_asked_once_and_ends_once()
        self.each_acknowledged_report_is_there_once()
        self.the_checkpoints_to_go_on_from_are_whole()

    def the_history_is_the_fold(self) -> None:
        assert self.engine.history == fold(self.engine.ledger.events())

    def a_trial_is_asked_once_and_ends_once(self) -> None:
        kinds = Counter(row[2] for row in self.before)
        assert kinds["asked"] == len(self.engine.history.trials) <= TRIALS, "N2"
        over: set[int] = set()
        for _, trial, kind, *_ in self.before:
            assert trial is None or trial not in over, "N1: nothing follows the end of a trial"
            over |= {trial} if kind == "ended" else set()

    def each_acknowledged_report_is_there_once(self) -> None:
        there = Counter(
            (trial, attempt, step) for _, trial, kind, attempt, step, _ in self.before if kind == "reported"
        )
        assert set(there) == set(self.acknowledged) and all(count == 1 for count in there.values()), "N3"
        for trial in self.engine.history.trials:
            assert [evaluation.step for evaluation in trial.evaluations] == list(range(1, trial.last_step + 1)), "N3"

    def the_checkpoints_to_go_on_from_are_whole(self) -> None:
        for trial in self.engine.history.trials:
            if trial.evaluations and not trial.state.ended:
                verify(self.paths.trial(trial.number) / str(trial.evaluations[-1].checkpoint))

    def teardown(self) -> None:
        if hasattr(self, "engine"):
            self.engine.ledger.close()
            self.clock.stop()
            self.folder.cleanup()


# the same examples on every machine; benchmarks/chaos.py draws others, and more
EXAMPLES = os.environ.get("HPO_EXAMPLES")
Driver.TestCase.settings = settings(
    max_examples=int(EXAMPLES or 200),
    stateful_step_count=50,
    deadline=None,
    derandomize=EXAMPLES is None,
    suppress_health_check=list(HealthCheck),
)
TestDriver = Driver.TestCase

"""The study loop, read aloud: what is run next, what a report means, how a trial ends.

An executor asks for segments and hands in what its workers say. Every step is committed to the ledger before it is
acted on, and the history that decisions are taken from is nothing but the fold of the ledger.
"""

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

from hpo import evaluations
from hpo.account import Account
from hpo.checkpoints import Checkpoints
from hpo.confirmation import best_of_search, winner
from hpo.confirming import Repeat, fresh_seeds, owed
from hpo.disk_faults import disk_error
from hpo.divergence import Divergence, missing_metric
from hpo.errors import DiskError
from hpo.event import REPEATS, Event
from hpo.history import History, State, Trial
from hpo.leases import Leases
from hpo.ledger import Ledger
from hpo.noise_floor import floor
from hpo.packing import Packing, given
from hpo.paths import StudyPaths
from hpo.preparation import room_for_checkpoints
from hpo.schedulers.decision import DONE, WAIT, Action, Next, Promote, Prune, Start
from hpo.searchers.searcher import Proposal, proposal
from hpo.segment import DiskFailed, Failed, Reported, Segment
from hpo.shelf import Bucket, Folder, Shelf
from hpo.stopping import Stop
from hpo.study import Study
from hpo.trainable import resolved
from hpo.wording import count

SAME_ERRORS = 3  # identical failures, with no success yet, that end the study: they would go on for ever

LET_GO = {"lost", "raised", "paused", "ended"}  # kinds of event after which a trial has no worker

log = logging.getLogger(__name__)


class Engine:
    """One study in progress. `tell` is called with each event after its commit; `stop` may be asked for meanwhile."""

    def __init__(
        self, study: Study, paths: StudyPaths, ledger: Ledger, tell: Callable[[Event], None], stop: Stop | None = None
    ) -> None:
        self.study, self.paths, self.ledger, self.tell = study, paths, ledger, tell
        self.stop = stop or Stop()
        self.leases = Leases(study.workers)
        self.stale: set[tuple[int, int]] = set()  # attempts whose late words have been logged
        self.uncommitted: list[Event] = []
        self.packing = given(study.resources, cores=os.cpu_count() or 1, gpus=0)  # or as the executor says
        self.account = Account()
        self.history = History()
        self.scheduler = study.build_scheduler()
        for event in ledger.events():
            self._apply(event)
        self.searcher = study.build_searcher(self.history.past)
        study.ray.refuse_other_storage(study.study, self.history.storage)
        shelf = self._shelf()
        room = room_for_checkpoints(study, paths) if isinstance(shelf, Folder) else None
        self.checkpoints = Checkpoints(paths, study.aims, self.history, study.keep, room, shelf)
        self.checkpoints.sweep()
        self.divergence = Divergence(study.aims, study.divergence)
        if self.history.finished:
            return self._settle()
        with self._commit():
            self._append("opened", pid=os.getpid(), host=socket.gethostname(), storage=study.ray.storage)
            for number in sorted(self.history.running):  # their driver is gone, and their workers with it
                self._release(self.history.run(number), "the driver ended")

    def next_segment(self) -> Segment | None:
        """What a free worker does next; None where there is nothing now."""
        if self.history.finished or self.stop.asked:
            return None
        with self._commit():
            if enough := self._enough():
                for trial in [one for one in self.history.trials if one.state in (State.WAITING, State.PAUSED)]:
                    self._end(trial, State.PRUNED, enough)
            while not self.history.waiting:
                if repeat := owed(self.study, self.history, over=bool(enough)):
                    self._repeat(repeat)
                    continue
                match self._next(enough):
                    case Start() as start if not self._give_up():
                        self._ask(start)
                    case Start():
                        continue
                    case Promote(number, reason, inputs):
                        trial = self.history.trials[number]
                        self._append("continued", trial, step=trial.last_step, reason=reason, **inputs)
                    case Prune(number, reason):
                        self._end(self.history.trials[number], State.PRUNED, reason)
                    case idle if idle is WAIT or not self._confirm():
                        return None
            first = self.history.run(min(self.history.waiting))
            running = [self.history.run(number).params for number in self.history.running]
            return self._start(first) if self.packing.fits(first.params, running) else None

    def measured(self, packing: Packing) -> None:
        """What trials take, once for the study: a resume reads it from the ledger."""
        with self._commit():
            self._append("measured", **packing.as_event())
        self.pack(packing)

    def pack(self, packing: Packing) -> None:
        """From here on trials share the devices so."""
        self.packing = packing
        self.checkpoints.room = room_for_checkpoints(self.study, self.paths, packing.most)

    def reported(self, segment: Segment, said: Reported) -> bool:
        """Acknowledge a report by its row; whether the worker goes on. A late one of an older attempt is refused."""
        trial = self._current(segment)
        if trial is None:
            return False
        if said.step <= trial.last_step:  # said again: the worker has not heard that it is acknowledged
            return True
        columns = {**vars(said)}  # not `asdict`, which would copy ten thousand answers
        tables = columns.pop("tables")
        with suppress(FileNotFoundError):  # the ledger says so if the study's folder has vanished
            evaluations.write(self.paths.trial(trial.number), said.step, tables)
        with self._commit():
            self._append("reported", trial, **columns)
            self._judge(trial)
            if trial.state is State.RUNNING and trial.confirms is None and (enough := self._enough(trial)):
                self._end(trial, State.PRUNED, enough)
            if self.stop.asked and trial.state is State.RUNNING:
                self._release(trial, "the study was told to stop")
        return trial.state is State.RUNNING

    def completed(self, segment: Segment) -> None:
        """The trainable came to its own end."""
        if trial := self._current(segment):
            with self._commit():
                if trial.evaluations:
                    self._end(trial, State.COMPLETE, "ran to its end")
                else:
                    self._end(trial, State.FAILED, "ended without a report; `yield Report(...)` at least once")

    def failed(self, segment: Segment, said: Failed) -> None:
        """The trainable raised: it is tried once more, for the machine may be at fault; the same again is the code."""
        log.error("trial %d raised\n%s", segment.trial, said.details)
        if trial := self._current(segment):
            again = trial.error == (said.error, trial.last_step)
            with self._commit():
                self._append("raised", trial, step=trial.last_step, reason=said.error, counts=1)
                if again or trial.losses > self.study.workers.retries:
                    self._end(trial, State.FAILED, said.error)

    def disk_failed(self, segment: Segment, said: DiskFailed) -> NoReturn:
        """Nobody is to blame, and no trial can go on: the study stops where it is, to be resumed."""
        log.error("trial %d met a failing disk\n%s", segment.trial, said.details)
        way_out = f"`hpo resume {self.study.study}`"
        if said.path == segment.storage:
            raise DiskError(f"{said.said}; mend that, then {way_out}")
        raise disk_error(Path(said.path), said.said, way_out, needed=self.checkpoints.largest)

    def lost(self, segment: Segment, reason: str, counts: bool = True) -> None:
        """The worker is gone: the trial goes on from its last checkpoint. A machine taken away does not count."""
        if trial := self._current(segment):
            with self._commit():
                if trial.confirms is None and (enough := self._enough()):
                    return self._end(trial, State.PRUNED, enough)
                self._release(trial, reason, counts)
                if trial.losses > self.study.workers.retries:
                    self._end(trial, State.FAILED, f"its worker was lost {count(trial.losses, 'time')}: {reason}")

    def overdue(self) -> list[tuple[Segment, str]]:
        """Whose worker to end, and why: it is silent, or nothing is left to spend. The executor then says `lost`."""
        if enough := self._enough():
            trials = [lease.segment for lease in self.leases.running.values() if lease.segment.trial < REPEATS]
            if trials:
                return [(segment, enough) for segment in trials]
        return self.leases.overdue()

    @property
    def running(self) -> int:
        return len(self.history.running)

    def finish(self) -> None:
        """Close the study where nothing is left to do."""
        if self.history.finished or not all(run.state.ended for run in self.history.runs):
            return
        if self.stop.asked and self._next(self._enough()) is not DONE:
            return
        if owed(self.study, self.history, over=True) or self._finalists():
            return
        with self._commit():
            self._append("finished", reason=self.history.searched or self._why_over())

    def _enough(self, trial: Trial | None = None) -> str | None:
        """Why the search is over before its last trial: by this one's value or the winner's, or by what was spent."""
        objective, budget = self.study.objective, self.study.budget
        for one in (trial, self.history.winner(objective)):
            if one and (reached := budget.reached(one.value(objective), objective)):
                return reached
        return budget.spent(self.account.at(time.time()))

    def _why_over(self) -> str:
        return self._enough() or self.history.enough or f"all {count(len(self.history.trials), 'trial')} ended"

    def _next(self, enough: str | None) -> Next:
        """What the search does next; after it was given up, what is paused ends, and what runs goes on."""
        if enough or self.history.searched:
            return DONE if len(self.history.ended) == len(self.history.trials) else WAIT
        if not self.history.enough:
            return self.scheduler.next(self.history)
        if self.history.paused:
            return Prune(min(self.history.paused), self.history.enough)
        return WAIT if self.history.running else DONE

    def _give_up(self) -> bool:
        """No further trial is begun where what is left to gain lies below the noise of the seeds."""
        found = self.study.budget.noise_repeats and floor(self.history, self.study.objective, self.study.search.trials)
        if found:
            self._append("enough", reason=found.reason, **asdict(found))
        return bool(found)

    def _finalists(self) -> list[int]:
        """Trials that are yet to be confirmed; none where the study does not confirm, or does so already."""
        if self.study.confirm is None or self.history.searched:
            return []
        return best_of_search(self.history, self.study.objective, self.study.confirm.finalists)

    def _confirm(self) -> bool:
        """The search is over: its finalists are told, with the seeds that each is trained again with."""
        finalists = self._finalists() if len(self.history.ended) == len(self.history.trials) else []
        if finalists and self.study.confirm:
            seeds = fresh_seeds(self.study, self.history, self.study.confirm.seeds)
            self._append("searched", reason=self._why_over(), finalists=finalists, seeds=seeds)
        return bool(finalists)

    def _repeat(self, repeat: Repeat) -> None:
        """A trial once more, with another seed: a run like any other, that the search does not see."""
        number, params = REPEATS + len(self.history.repeats), self.history.trials[repeat.trial].params
        event = self.ledger.append("asked", trial=number, params=params, confirms=repeat.trial, seed=repeat.seed)
        self._take(event)

    def _ask(self, start: Start) -> None:
        """A new trial, of the searcher's or the scheduler's choice."""
        given = Proposal(dict(start.params)) if start.params is not None else proposal(self.searcher, self.history)
        searcher = self.study.search.searcher_name
        place = {"bracket": start.bracket, "parent": start.parent}
        self._append("asked", None, params=given.params, searcher=searcher, **place, **given.origin)
        self.checkpoints.asked(self.history.trials[-1])

    def _release(self, trial: Trial, reason: str, counts: bool = False) -> None:
        """It waits for another worker."""
        self._append("lost", trial, step=trial.last_step, reason=reason, counts=int(counts))

    def _start(self, trial: Trial) -> Segment:
        checkpoint, from_step = self.checkpoints.last_good(trial)
        attempt = trial.attempt + 1
        name = checkpoint and checkpoint.rpartition("/")[2]
        share, nodes = self.packing.share(trial.params), self.packing.nodes
        self._append(
            "started", trial, attempt=attempt, from_step=from_step, checkpoint=name,
            cpus=share.cpu * nodes, gpus=share.gpu * nodes,
        )  # fmt: skip
        segment = Segment(
            trial=trial.number,
            attempt=attempt,
            trainable=self.study.trainable,
            config=resolved(self.study.config, trial.settings),
            checkpoint=checkpoint,
            from_step=from_step,
            folder=str(self.paths.trial(trial.number)),
            storage=self.checkpoints.shelf.trial_url(trial.number),
            threads=max(1, int(share.cpu)),
            cpus=share.cpu,
            gpus=share.gpu,
            nodes=nodes,
        )
        self.leases.begin(segment, trial)
        return segment

    def _judge(self, trial: Trial) -> None:
        """What its last report means for it."""
        if hopeless := self.divergence.of(trial):  # of a diverged model the objective may not exist
            return self._end(trial, State.DIVERGED, hopeless)
        last = trial.evaluations[-1]
        if missing := missing_metric(last, self.study.aims, self.study.divergence):
            return self._end(trial, State.FAILED, missing)
        if trial.confirms is not None:
            return
        decision = self.scheduler.judge(self.history, trial)
        if decision.inputs:
            self._append(
                "decided", trial, step=last.step, stop=decision.stop, reason=decision.reason, **decision.inputs
            )
        if decision.action is Action.STOP:
            self._end(trial, State.PRUNED, decision.reason)
        elif decision.action is Action.PAUSE:
            self._append("paused", trial, step=last.step, reason=decision.reason)

    def _end(self, trial: Trial, state: State, reason: str) -> None:
        self._append("ended", trial, state=state, reason=reason)
        if trial.confirms is not None:
            return
        alike, all_failed = self.history.failures[reason], self.history.failures.total() == len(self.history.ended)
        if alike >= SAME_ERRORS and all_failed and not self.history.finished:
            self._append("finished", reason=f"stopped: the first {alike} trials failed alike: {reason}")

    def _current(self, segment: Segment) -> Trial | None:
        try:
            trial = self.history.run(segment.trial)
        except IndexError:
            trial = None
        if trial and trial.attempt == segment.attempt and trial.state is State.RUNNING:
            return trial
        if (segment.trial, segment.attempt) not in self.stale:
            self.stale.add((segment.trial, segment.attempt))
            log.warning("ignored: word of attempt %d of trial %d, which is over", segment.attempt, segment.trial)
        return None

    @contextmanager
    def _commit(self) -> Iterator[None]:
        """All events of the block are committed at once; only then are they acted on and told."""
        with self.ledger.transaction():
            yield
        committed, self.uncommitted = self.uncommitted, []
        for event in committed:
            self._act(event)
            self.tell(event)

    def _append(self, kind: str, trial: Trial | None = None, **columns: object) -> None:
        if trial is not None:
            columns = {"attempt": trial.attempt, **columns}
        self._take(self.ledger.append(kind, trial=trial.number if trial else None, **columns))  # type: ignore[arg-type]

    def _take(self, event: Event) -> None:
        self._apply(event)
        self.uncommitted.append(event)

    def _apply(self, event: Event) -> None:
        self.history.apply(event)
        if not event.of_repeat:
            self.account.apply(event)
            self.scheduler.apply(self.history, event)

    def _act(self, event: Event) -> None:
        """On the disk and in the watch over workers."""
        if event.kind == "finished":
            self._settle()
        if event.trial is None:
            return
        trial = self.history.run(event.trial)
        if event.kind == "reported":
            self.checkpoints.reported(trial)
            self.leases.renew(trial)
        elif event.kind in LET_GO:
            self.leases.end(trial)
            if event.kind == "ended":
                self.checkpoints.ended(trial)

    def _shelf(self) -> Shelf:
        """In a storage, which many studies may share, below the study's name and id."""
        folder = Folder(self.paths)
        if self.study.ray.storage is None:
            return folder
        identity = str(self.history.record["study_id"])[:12]
        return Bucket(folder, f"{self.study.ray.storage.rstrip('/')}/{self.study.study}-{identity}")

    def _settle(self) -> None:
        """The study is over, so that only what is chosen in the end keeps its checkpoint; of several the front has."""
        if not self.study.objectives and (chosen := winner(self.history, self.study.objective)):
            self.checkpoints.settle(chosen, self.study.disk.keep)
        self.checkpoints.come_home()

"""Looks after what does not say that it is in trouble: dead servers of Ray's, silent workers, stopped processes."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

import ray
from psutil import Process
from ray import tune

from hpo.engine import Engine
from hpo.errors import Resumable
from hpo.processes import children, descendants, end, has_ended, is_stopped

SERVERS = ("gcs_server", "raylet")  # without either of them Ray waits, for a minute or for ever
SECONDS_TO_LEAVE = 15.0  # for the main thread, from a server's death, and for Ray, to shut down
EVERY = 1.0  # seconds between two looks
STOPPED_FOR = 20.0  # seconds after which a process that was stopped (SIGSTOP) is ended


class Errors:
    """Of ours, inside Tune's calls: Tune would wrap them into its own, with a traceback for a message."""

    def __init__(self) -> None:
        self.first: Exception | None = None

    @contextmanager
    def kept(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.first = self.first or error


class ServerWatch(threading.Thread):
    """Breaks the study off, to be resumed, when a server of Ray's dies; a thread, for Ray's own calls would hang.

    `dead` gives the name of one that is; unless it is given, the servers are this process's own children.
    """

    def __init__(self, engine: Engine, dead: Callable[[], str | None] | None = None) -> None:
        super().__init__(name="servers", daemon=True)
        self.study, self.stop = engine.study.study, engine.stop
        self.dead = dead or partial(_dead_of, children(SERVERS))
        self.shutting_down, self.over = threading.Event(), threading.Event()
        self.error: Resumable | None = None

    def run(self) -> None:
        while not self.shutting_down.wait(EVERY):
            if dead := self.dead():
                self.error = Resumable(f"Ray's {dead} has died; `hpo resume {self.study}` goes on")
                self.stop.break_off()
                break
        if not self.over.wait(SECONDS_TO_LEAVE):
            end(descendants(), patience=0)
            if self.over.is_set():  # it was slow, and has made it meanwhile
                return
            self.stop.leave(self.error or Resumable(f"Ray does not shut down; `hpo resume {self.study}` goes on"))


def _dead_of(servers: Iterable[Process]) -> str | None:
    return next((server.name() for server in servers if has_ended(server)), None)


KEPT = {"said", "done", "trial_id"}  # of a result: ours, and what Tune itself asks for


class WorkerWatch(tune.Stopper):
    """Gives up workers whose lease has run out, and ends stopped processes; asked in every round of Tune's loop.

    No Callback: Tune would import MLflow and Weights & Biases, to count which callbacks are of its own.
    """

    def __init__(self, engine: Engine, errors: Errors) -> None:
        self.engine, self.errors = engine, errors
        self.trials: WeakValueDictionary[int, Any] = WeakValueDictionary()  # Tune's, by trial of the study
        self.looked = time.monotonic()
        self.stopped: dict[Any, float] = {}  # processes, and since when

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Tune would keep the last result of every trial, and means of each number in it: 12 kB, for ever."""
        for name in result.keys() - KEPT:
            del result[name]
        return False

    def stop_all(self) -> bool:
        self._look()
        return False

    def _look(self) -> None:
        stopped = self.engine.stop.asked and not self.engine.running
        if self.errors.first or stopped:  # no use in waiting for what still trains, or for Tune to tidy up
            raise KeyboardInterrupt
        now = time.monotonic()
        if now - self.looked < EVERY:
            return
        self.looked = now
        with self.errors.kept():
            self._give_up_the_silent()
            self._end_the_stopped(now)

    def _give_up_the_silent(self) -> None:
        for segment, reason in self.engine.overdue():
            self.engine.lost(segment, reason)  # first: from here on whatever the worker says is refused
            trial = self.trials.get(segment.trial)
            if trial and (actor := trial.temporary_state.ray_actor):
                ray.kill(actor)

    def _end_the_stopped(self, now: float) -> None:
        still = [process for process in descendants() if is_stopped(process)]
        self.stopped = {process: self.stopped.get(process, now) for process in still}
        end((one for one, since in self.stopped.items() if now - since > STOPPED_FOR), patience=0)

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles it into a file that nobody reads

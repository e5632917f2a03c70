"""Runs an engine's segments in Ray Tune's warm workers, as many at once as the machine has room for.

One Tune trial = one segment. Tune's own experiment state is never restored: it is thrown away with its folder.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from hpo.executors.ray_start import WORKER_ENVIRONMENT, running_ray  # first: it tells Ray how to be imported

# isort: split
import ray
from ray import tune
from ray.tune.callback import CallbackList
from ray.tune.execution import class_cache
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from hpo.engine import Engine
from hpo.errors import UsageError
from hpo.executors.deaths import cause_of_death
from hpo.executors.last_words import LeftItsWord, take_last_word
from hpo.executors.warm_worker import WarmWorker, bundle
from hpo.executors.watch import EVERY, Errors, WorkerWatch
from hpo.packing import Packing, from_event, given, side_by_side, spread, wants_measuring
from hpo.preflight import device_of, preflight
from hpo.segment import DiskFailed, Failed, Lost, Reported, Segment

MANY = 1_000_000  # trials at once that Tune may ask for; the queue gives it as many as there is room for


def execute(engine: Engine) -> None:
    """Run until the engine has nothing left."""
    with running_ray(engine) as folder, workers_as_begun(engine):
        _pack(engine)
        errors = Errors()
        queue = SegmentQueue(engine, errors, partial(room_for, engine.packing))
        watch = WorkerWatch(engine, errors)
        tuner = tune.Tuner(
            tune.with_resources(WarmWorker, bundle),
            tune_config=tune.TuneConfig(
                num_samples=-1,
                search_alg=queue,
                scheduler=Judge(queue, watch),
                max_concurrent_trials=MANY,
                # processes on other machines last as long as the segment, and so does the one that meets them
                reuse_actors=not engine.study.workers.isolate and engine.packing.nodes == 1,
            ),
            run_config=tune.RunConfig(
                name="segments",
                storage_path=str(folder / "tune"),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),  # they are the trainable's own
                verbose=0,
                stop=watch,
            ),
        )
        try:
            tuner.fit()
        except KeyboardInterrupt:
            if not errors.first:
                raise
        if errors.first:
            raise errors.first
        engine.finish()  # before Ray shuts down: the views write the end meanwhile


@contextmanager
def workers_as_begun(engine: Engine) -> Iterator[None]:
    """On this machine alone they inherit all variables. Tune would give them some of its own, a runtime environment by
    which Ray throws away the workers that it has begun, and begins others when its agent has answered."""
    kept = class_cache.DEFAULT_ENV_VARS, class_cache.ENV_VARS_TO_PROPAGATE
    if not engine.study.ray.is_cluster:
        class_cache.DEFAULT_ENV_VARS, class_cache.ENV_VARS_TO_PROPAGATE = {}, set()
    try:
        yield
    finally:
        class_cache.DEFAULT_ENV_VARS, class_cache.ENV_VARS_TO_PROPAGATE = kept


def _pack(engine: Engine) -> None:
    """What each trial gets; measured where the study leaves it open, on one machine, once for the study.

    UsageError where no machine has room for a trial: Tune would wait for ever.
    """
    resources, there = engine.study.resources, ray.cluster_resources()
    cores, gpus = int(there.get("CPU", 1)), there.get("GPU", 0)
    if wants_measuring(resources, gpus) and not engine.study.ray.is_cluster:
        device = device_of(resources, cores, int(gpus))
        if engine.history.measured and (before := from_event(engine.history.measured, device)):
            return engine.pack(before)
        return engine.measured(preflight(engine.study, device, WORKER_ENVIRONMENT, lambda: bool(engine.stop.asked)))
    engine.packing = given(resources, cores, gpus)
    if not room_for(engine.packing):
        share, nodes = engine.packing.share({}), engine.packing.nodes
        if nodes > 1:
            alike = sum(room > 0 for room in rooms(engine.packing))
            raise UsageError(
                f"a trial is to have {nodes} machines with {share.cpu:g} cpu and {share.gpu:g} gpu each, but the "
                f"cluster has {alike} such; start more, or change `resources` with --set resources.nodes=1"
            )
        raise UsageError(
            f"a trial is to have {share.cpu:g} cpu and {share.gpu:g} gpu, but in all there are {cores:g} and {gpus:g}; "
            "change `resources` with --set resources.cpu=1"
        )


def room_for(packing: Packing) -> int:
    """How many trials run at once now: a machine may have joined, or be gone."""
    if packing.needs:
        return packing.most
    return spread(rooms(packing), packing.nodes)


def rooms(packing: Packing) -> list[int]:
    """Of each machine that is there now: how many trials it has room for."""
    share, there = packing.share({}), [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [side_by_side(share, one.get("CPU", 0), one.get("GPU", 0)) for one in there]


class SegmentQueue(Searcher):
    """Hands the engine's segments to Tune and tells the engine how they ended."""

    def __init__(self, engine: Engine, errors: Errors, room: Callable[[], int]) -> None:
        super().__init__()
        self.engine, self.errors, self.room = engine, errors, room
        self.most, self.looked = room(), time.monotonic()  # trials at once, and since when that is known
        self.here = None if engine.study.ray.is_cluster else os.getcwd()
        self.segments: dict[str, Segment] = {}
        self.deaths: dict[str, str] = {}  # of workers, in Ray's words

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        with self.errors.kept():
            return self._suggest(trial_id)
        return Searcher.FINISHED

    def _suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        if self.errors.first:
            return Searcher.FINISHED
        if time.monotonic() - self.looked > EVERY:
            self.most, self.looked = self.room(), time.monotonic()
        if self.engine.running >= self.most:  # of a cluster that has lost all its machines 0: another may join
            return None
        segment = self.engine.next_segment()
        if segment is None:
            return None if self.engine.running else Searcher.FINISHED  # None: ask again later
        self.segments[trial_id] = segment
        return {"segment": asdict(segment), "working_folder": self.here}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        with self.errors.kept():
            segment = self.segments.pop(trial_id)
            if error or result is None or "said" not in result:
                death = self.deaths.pop(trial_id, "")
                # asked of Ray's head, which may be what has died
                word = take_last_word(segment) if segment.nodes > 1 or LeftItsWord.__name__ in death else None
                self._end(segment, *(word or ("Lost", vars(cause_of_death(death)))))
            else:
                self._end(segment, *json.loads(result["said"]))

    def _end(self, segment: Segment, kind: str, fields: dict[str, Any]) -> None:
        if kind == "Lost":
            lost = Lost(**fields)
            self.engine.lost(segment, lost.reason, lost.counts)
        elif kind == "DiskFailed":
            self.engine.disk_failed(segment, DiskFailed(**fields))
        elif kind == "Failed":
            self.engine.failed(segment, Failed(**fields))
        elif kind == "Completed":  # else Reported: the engine itself has stopped the trial
            self.engine.completed(segment)

    def save(self, checkpoint_path: str) -> None:
        """Tune's snapshots hold nothing of ours: the ledger does."""

    def restore(self, checkpoint_path: str) -> None:
        """Never called: an experiment of Tune's is not restored."""

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles it into a file that nobody reads


class Judge(FIFOScheduler):
    """Hands each report to the engine and its answer back; until then the worker waits."""

    def __init__(self, queue: SegmentQueue, watch: WorkerWatch) -> None:
        super().__init__()
        self.queue, self.watch = queue, watch

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        self.watch.trials[trial.config["segment"]["trial"]] = trial

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        _, fields = json.loads(result["said"])
        goes_on = False
        with self.queue.errors.kept():
            goes_on = self.queue.engine.reported(Segment(**trial.config["segment"]), Reported(**fields))
        return TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        forget_ended(tune_controller)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Told before the queue is."""
        with suppress(OSError):
            self.queue.deaths[trial.trial_id] = Path(trial.error_file).read_text()
        forget_ended(tune_controller)

    def __getstate__(self) -> dict[str, Any]:
        return {}  # as above


# where Tune keeps trials that have ended, until it ends itself; under another name they would stay, and no more
KEPT_BY_TUNE = ("_stopped_trials", "_failed_trials", "_trials_to_cache")


def forget_ended(tune_controller: Any) -> None:
    """Tune would keep 12 kB of each, look through all of them in every round, and write them all down at the end.

    The one that is just ending stays: given none, Tune would read its snapshot for what it has run.
    """
    trials = tune_controller.get_trials()  # its own list, not a copy
    ended = {trial for trial in trials if trial.is_finished()}
    trials[:] = [trial for trial in trials if trial not in ended]
    for name in KEPT_BY_TUNE:
        getattr(tune_controller, name, set()).difference_update(ended)
    # its own alone, which keeps every trial for what it shows on a terminal, and shows nothing here
    tune_controller._callbacks = CallbackList([])

"""Runs an engine's segments in Ray Tune's warm workers, as many at once as the machine has room for.

One Tune trial = one segment. Tune's own experiment state is never restored: it is thrown away with its folder.
"""

import json
import os
import signal
import socket
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

# read by ray.tune on import or at the start of fit(); there is no other way to say these
os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"  # no CSV, JSON and TensorBoard files per segment
os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"  # Ctrl-C is ours
os.environ["TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S"] = "0"
os.environ["TUNE_GLOBAL_CHECKPOINT_S"] = "100000"  # its snapshots are not used
os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
os.environ["RAY_CHDIR_TO_TRIAL_DIR"] = "0"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "1"  # a trial with `gpu: 0` sees no GPU
os.environ["RAY_AUTH_MODE"] = "token"

import ray  # noqa: E402
from ray import tune  # noqa: E402
from ray.tune.callback import CallbackList  # noqa: E402
from ray.tune.schedulers import FIFOScheduler, TrialScheduler  # noqa: E402
from ray.tune.search import Searcher  # noqa: E402

from hpo.disk_faults import naming_full_disk  # noqa: E402
from hpo.engine import Engine  # noqa: E402
from hpo.environment import differing  # noqa: E402
from hpo.errors import DiskError, Resumable, UsageError  # noqa: E402
from hpo.executors.ray_cluster import Servers, expected, join  # noqa: E402
from hpo.executors.ray_session import cluster_session, private_session  # noqa: E402
from hpo.executors.watch import EVERY, Errors, ServerWatch, WorkerWatch  # noqa: E402
from hpo.packing import Packing, from_event, given, side_by_side, wants_measuring  # noqa: E402
from hpo.preflight import device_of, preflight  # noqa: E402
from hpo.processes import end, of  # noqa: E402
from hpo.segment import DiskFailed, Failed, Reported, Said, Segment  # noqa: E402
from hpo.worker import failure, return_memory, run_segment  # noqa: E402

# glibc hands every tensor above 32 MB back to the kernel and takes it anew, page fault by page fault; a worker that
# keeps them trains 1.2 times as fast on the CPU (docs/log.md)
WORKER_ENVIRONMENT = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(16 * 2**30),
    "THP_MEM_ALLOC_ENABLE": "1",
}
MANY = 1_000_000  # trials at once that Tune may ask for; the queue gives it as many as there is room for
# Ray gives a node half a minute, and no setting changes that; a machine that is busy now may need longer
STARTS, TOO_BUSY = 3, "timed out during startup"


def execute(engine: Engine) -> None:
    """Run until the engine has nothing left."""
    with running_ray(engine) as folder:
        _pack(engine)
        errors = Errors()
        queue = SegmentQueue(engine, errors, partial(room_for, engine.packing))
        watch = WorkerWatch(engine, errors)
        tuner = tune.Tuner(
            tune.with_resources(WarmWorker, _bundle),
            tune_config=tune.TuneConfig(
                num_samples=-1,
                search_alg=queue,
                scheduler=Judge(queue, watch),
                max_concurrent_trials=MANY,
                reuse_actors=not engine.study.workers.isolate,
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


@contextmanager
def running_ray(engine: Engine) -> Iterator[Path]:
    """Ray on this machine alone, in a private folder; at the end nothing of it is left. Or a cluster, joined.

    Resumable where one of Ray's servers dies: nothing that is under way can go on.
    """
    study, is_cluster = engine.paths.root, engine.study.ray.is_cluster
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    way_out = f"`hpo resume {engine.study.study}`"
    session = cluster_session(study) if is_cluster else private_session(study)
    with session as folder, naming_full_disk(folder, way_out):
        if is_cluster:
            join(engine.study, WORKER_ENVIRONMENT)
        else:
            _start_for(study, folder, way_out)
        for number, handler in handlers.items():
            signal.signal(number, handler)  # ray.init has put its own there
        watch = ServerWatch(engine, Servers().dead) if is_cluster else ServerWatch(engine)
        watch.start()
        try:
            yield folder
        except BaseException as error:
            if watch.error:
                raise watch.error from error
            raise
        finally:
            watch.shutting_down.set()
            ray.shutdown()
            end(of(study, folder), patience=0)  # workers that outlived their raylet, helpers of the trainable
            watch.over.set()


def _start_for(study: Path, folder: Path, way_out: str) -> None:
    """Resumable where Ray is broken, or the machine too busy for it again and again."""
    for tries_left in reversed(range(STARTS)):
        try:
            with naming_full_disk(folder, way_out):
                return start_ray(folder)
        except DiskError:
            raise
        except Exception as error:
            ray.shutdown()
            end(of(study, folder), patience=0)
            if not tries_left or TOO_BUSY not in str(error):
                raise Resumable(
                    f"Ray does not start: {error}; `hpo doctor` says whether it can, then {way_out} goes on"
                ) from error


def start_ray(folder: Path) -> None:
    with inherited(WORKER_ENVIRONMENT):
        ray.init(
            address="local",  # never a cluster that happens to run here
            _node_ip_address="127.0.0.1",
            _temp_dir=str(folder / "ray"),  # open to everybody (0777): the folder above keeps others out
            include_dashboard=False,
            log_to_driver=False,
            configure_logging=False,
        )


@contextmanager
def inherited(variables: Mapping[str, str]) -> Iterator[None]:
    """By all processes begun within. A `runtime_env` would wait for an agent of Ray's, and for workers begun anew."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


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
        share = engine.packing.share({})
        raise UsageError(
            f"a trial is to have {share.cpu} cpu and {share.gpu:g} gpu, but in all there are {cores:g} and {gpus:g}; "
            "change `resources` with --set resources.cpu=1"
        )


def _bundle(config: dict[str, Any]) -> tune.PlacementGroupFactory:
    """What Ray is to set aside for a segment; a worker goes on to the next one with the same."""
    segment = config["segment"]
    return tune.PlacementGroupFactory([{"CPU": segment["threads"], "GPU": segment["gpus"]}])


def room_for(packing: Packing) -> int:
    """How many trials run at once now: a machine may have joined, or be gone. None is spread over two machines."""
    if packing.needs:
        return packing.most
    share, there = packing.share({}), [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return sum(side_by_side(share, one.get("CPU", 0), one.get("GPU", 0)) for one in there)


RETURN_MEMORY_EVERY = 1.0  # seconds; it takes some hundredths of one, as much as a trial that trains nothing


class WarmWorker(tune.Trainable):
    """Lives on from segment to segment: imports, tokenized data and CUDA context are paid for once.

    With `workers: {isolate: true}` it lives for one.
    """

    def setup(self, config: dict[str, Any]) -> None:
        os.umask(0o077)  # what a trial writes is for this user alone
        if config["working_folder"]:  # on a cluster Ray has brought a copy, and begun in it
            os.chdir(config["working_folder"])  # relative paths and modules mean what they mean to the driver
        self.misfit = differing(expected())
        self.returned = 0.0  # by the monotonic clock: when memory last was
        self.reset_config(config)

    def reset_config(self, config: dict[str, Any]) -> bool:
        self.cleanup()
        self.said = run_segment(Segment(**config["segment"])) if not self.misfit else refused(self.misfit)
        return True

    def step(self) -> dict[str, Any]:
        try:
            word = next(self.said, None)
        except SystemExit as error:  # Tune would lose the worker, and with it what was said
            if by_ray(error):
                raise
            word = failure(error)
        # one string: Tune would flatten and copy a nested result several times
        kind = type(word).__name__ if word else "Completed"
        return {"said": json.dumps([kind, vars(word) if word else {}]), "done": not isinstance(word, Reported)}

    def cleanup(self) -> None:
        if hasattr(self, "said"):
            self.said.close()
            del self.said
            if time.monotonic() - self.returned > RETURN_MEMORY_EVERY:
                return_memory()
                self.returned = time.monotonic()


def by_ray(error: SystemExit) -> bool:
    """Whether it tells the worker to stop, as on SIGTERM; else the trainable has called `sys.exit`."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).startswith("ray.")


def refused(misfit: str) -> Generator[Said, None, None]:
    """Trials on other libraries cannot be compared with the rest."""
    error = f"machine {socket.gethostname()} has {misfit}; install the same there"
    yield Failed(error=error, details=error)


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
                self.engine.lost(segment, *cause_of_death(self.deaths.pop(trial_id, "")))
            else:
                self._complete(segment, result)

    def _complete(self, segment: Segment, result: dict[str, Any]) -> None:
        kind, fields = json.loads(result["said"])
        if kind == "DiskFailed":
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
    """Hands each report to the engine and its answer back; a worker goes on only after the answer."""

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


# what Ray says when it ends a worker itself or loses its machine: in our words, and whether it counts against the trial
DEATHS = {
    "low on memory": ("the machine had no memory left", True),
    "node was preempted": ("its machine was taken away", False),
    "node has died": ("its machine died", False),
}


def cause_of_death(says: str) -> tuple[str, bool]:
    found = next((cause for words, cause in DEATHS.items() if words in says), None)
    return found or ("the worker process died", True)

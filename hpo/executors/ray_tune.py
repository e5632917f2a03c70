"""Runs an engine's segments in Ray Tune's warm workers, as many at once as the machine has room for.

One Tune trial = one segment. Tune's own experiment state is never restored: it is thrown away with its folder.
"""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
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
from ray.tune.schedulers import FIFOScheduler, TrialScheduler  # noqa: E402
from ray.tune.search import Searcher  # noqa: E402

from hpo.engine import Engine  # noqa: E402
from hpo.errors import UsageError  # noqa: E402
from hpo.segment import Failed, Reported, Segment  # noqa: E402
from hpo.study_file import Resources  # noqa: E402
from hpo.worker import run_segment  # noqa: E402

# glibc hands every tensor above 32 MB back to the kernel and takes it anew, page fault by page fault; a worker that
# keeps them trains 1.2 times as fast on the CPU (docs/log.md)
WORKER_ENVIRONMENT = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(16 * 2**30),
    "THP_MEM_ALLOC_ENABLE": "1",
}


def execute(engine: Engine) -> None:
    """Run until the engine has nothing left; Ray is started here, on this machine, and shut down again."""
    on_sigterm = signal.getsignal(signal.SIGTERM)
    ray.init(
        address="local",  # never a cluster that happens to run here
        _node_ip_address="127.0.0.1",
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
        runtime_env={"env_vars": WORKER_ENVIRONMENT},
    )
    try:
        signal.signal(signal.SIGTERM, on_sigterm)  # ray.init has put its own there
        share, at_once = _share(engine.study.resources)
        queue = SegmentQueue(engine)
        tune.Tuner(
            tune.with_resources(WarmWorker, share),
            tune_config=tune.TuneConfig(
                num_samples=-1,
                search_alg=queue,
                scheduler=Judge(queue),
                max_concurrent_trials=at_once,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(name="segments", storage_path=str(engine.paths.ray), verbose=0),
        ).fit()
        if queue.error:
            raise queue.error
    finally:
        ray.shutdown()
        shutil.rmtree(engine.paths.ray, ignore_errors=True)


def _share(resources: Resources) -> tuple[dict[str, float], int]:
    """What one trial gets, and how many run at once."""
    there = ray.cluster_resources()
    gpus = there.get("GPU", 0)
    gpu = (1 if gpus else 0) if resources.gpu == "auto" else float(resources.gpu)
    rooms = [there.get("CPU", 1) // resources.cpu]
    if gpu:
        rooms.append(gpus // gpu if gpu >= 1 else gpus * (1 // gpu))  # a share never spans two GPUs
    if min(rooms) < 1:  # Tune would wait for ever
        raise UsageError(
            f"a trial is to have {resources.cpu} cpu and {gpu:g} gpu, but this machine has "
            f"{there.get('CPU', 0):g} and {gpus:g}; change `resources` with --set resources.cpu=1"
        )
    return {"cpu": resources.cpu, "gpu": gpu}, int(min(rooms))


class WarmWorker(tune.Trainable):
    """Lives on from segment to segment: imports, tokenized data and CUDA context are paid for once."""

    def setup(self, config: dict[str, Any]) -> None:
        os.chdir(
            config["working_folder"]
        )  # relative paths and modules beside the study file mean what they mean to the driver
        self.reset_config(config)

    def reset_config(self, config: dict[str, Any]) -> bool:
        self.cleanup()
        self.said = run_segment(Segment(**config["segment"]))
        return True

    def step(self) -> dict[str, Any]:
        word = next(self.said, None)
        # one string: Tune would flatten and copy a nested result several times
        kind = type(word).__name__ if word else "Completed"
        return {"said": json.dumps([kind, asdict(word) if word else {}]), "done": not isinstance(word, Reported)}

    def cleanup(self) -> None:
        if hasattr(self, "said"):
            self.said.close()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Tune asks at a segment's end; the checkpoints are the trainable's own."""


class SegmentQueue(Searcher):
    """Hands the engine's segments to Tune and tells the engine how they ended."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine
        self.segments: dict[str, Segment] = {}
        self.error: Exception | None = None  # of ours: Tune would wrap it into its own, with a traceback for a message

    @contextmanager
    def keeping_errors(self) -> Iterator[None]:
        """The first error ends the study: no further segment is handed out, and `execute` raises it."""
        try:
            yield
        except Exception as error:
            self.error = self.error or error

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        with self.keeping_errors():
            return self._suggest(trial_id)
        return Searcher.FINISHED

    def _suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        if self.error:
            return Searcher.FINISHED
        segment = self.engine.next_segment()
        if segment is None:
            return None if self.engine.running else Searcher.FINISHED  # None: ask again later
        self.segments[trial_id] = segment
        return {"segment": asdict(segment), "working_folder": os.getcwd()}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        with self.keeping_errors():
            self._complete(self.segments.pop(trial_id), result, error)

    def _complete(self, segment: Segment, result: dict[str, Any] | None, error: bool) -> None:
        if error or result is None or "said" not in result:
            self.engine.lost(segment, "the worker process died")
            return
        kind, fields = json.loads(result["said"])
        if kind == "Failed":
            self.engine.failed(segment, Failed(**fields))
        else:  # Completed, or Reported where the engine itself stopped the trial: then nothing is left to do
            self.engine.completed(segment)

    def save(self, checkpoint_path: str) -> None:
        """Tune's snapshots hold nothing of ours: the ledger does."""

    def restore(self, checkpoint_path: str) -> None:
        """Never called: an experiment of Tune's is not restored."""

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles it into a file that nobody reads


class Judge(FIFOScheduler):
    """Hands each report to the engine and its answer back; a worker goes on only after the answer."""

    def __init__(self, queue: SegmentQueue) -> None:
        super().__init__()
        self.queue = queue

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        _, fields = json.loads(result["said"])
        goes_on = False
        with self.queue.keeping_errors():
            goes_on = self.queue.engine.reported(Segment(**trial.config["segment"]), Reported(**fields))
        return TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP

    def __getstate__(self) -> dict[str, Any]:
        return {}  # as above

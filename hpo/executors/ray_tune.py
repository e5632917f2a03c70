"""Runs an engine's segments in Ray Tune's warm workers, as many at once as the machine has room for.

One Tune trial = one segment. Tune's own experiment state is never restored: it is thrown away with its folder.
"""

import json
import os
import shutil
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
os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"

import ray  # noqa: E402
from ray import tune  # noqa: E402
from ray.tune.schedulers import FIFOScheduler, TrialScheduler  # noqa: E402
from ray.tune.search import Searcher  # noqa: E402

from hpo.engine import Engine  # noqa: E402
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
    ray.init(
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
        runtime_env={"env_vars": WORKER_ENVIRONMENT},
    )
    try:
        share, at_once = _share(engine.study.resources)
        tune.Tuner(
            tune.with_resources(WarmWorker, share),
            tune_config=tune.TuneConfig(
                num_samples=-1,
                search_alg=SegmentQueue(engine),
                scheduler=Judge(engine),
                max_concurrent_trials=at_once,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(name="segments", storage_path=str(engine.paths.ray), verbose=0),
        ).fit()
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
    return {"cpu": resources.cpu, "gpu": gpu}, max(1, int(min(rooms)))


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

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        segment = self.engine.next_segment()
        if segment is None:
            return None if self.engine.running else Searcher.FINISHED  # None: ask again later
        self.segments[trial_id] = segment
        return {"segment": asdict(segment), "working_folder": os.getcwd()}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        segment = self.segments.pop(trial_id)
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

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        _, fields = json.loads(result["said"])
        goes_on = self.engine.reported(Segment(**trial.config["segment"]), Reported(**fields))
        return TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP

    def __getstate__(self) -> dict[str, Any]:
        return {}  # as above

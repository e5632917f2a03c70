"""What does a logged metric cost the training, and what until MLflow has it?

    python benchmarks/tracking.py [--steps N] [--quick] [--folder FOLDER] [--json FILE]

20 metrics at each of 2,000 steps, into an SQLite database of MLflow's own. Ours: a trainable yields reports, each is
committed to the ledger (on the disk, before training goes on), and a writer of its own drains the ledger into MLflow.
The cost in the trainable is what checking and handing over a report take in the worker; the wait for the ledger's
disk is shown beside it. The peers: `mlflow.log_metrics` at each step, MLflow's asynchronous logging, Ray's
MLflowLoggerCallback and the Trainer's MLflowCallback, each told of the same numbers. All run one after the other.
In training stands the median step, which a busy machine does not lengthen; drained is the whole time by the clock.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hpo.environment import describe
from hpo.tracking.mlflow import quiet

METRICS = {f"metric_{index:02d}": 0.1 * index for index in range(20)}
TARGET_CALL_US, TARGET_DRAINED_MS = 5.0, 0.13


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2_000)
    parser.add_argument("--quick", action="store_true", help="200 steps")
    parser.add_argument("--folder", type=Path, help="on the disk to be measured; if left out, that of temporary files")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    steps = 200 if arguments.quick else arguments.steps
    quiet()
    found = {}
    print(f"{steps:,} steps of {len(METRICS)} metrics; per metric\n")
    print(f"{'':44}{'in training, us':>16}{'drained, ms':>13}{'CPU, ms':>9}")
    for name, measure in VARIANTS.items():
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            here = Path.cwd()
            os.chdir(folder)
            try:
                uri = f"sqlite:///{folder}/mlflow.db"
                _database(uri)
                cpu = time.process_time()
                call, drained = measure(uri, steps)
                cpu = time.process_time() - cpu
            finally:
                os.chdir(here)
        count = steps * len(METRICS)
        found[name] = call / count * 1e6, drained / count * 1e3, cpu / count * 1e3
        print(f"{name:44}{found[name][0]:16.2f}{found[name][1]:13.4f}{found[name][2]:9.4f}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(measurements(found), indent=1) + "\n", encoding="utf-8")


def _database(uri: str) -> None:
    """Made beforehand: its tables take seconds, once."""
    import mlflow

    from hpo.tracking.mlflow_database import make

    make(uri)
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("peers")


def ours(uri: str, steps: int) -> tuple[float, float]:
    """Seconds in the worker, and seconds until MLflow has all. The ledger's own is measured by benchmarks/ledger.py."""
    from hpo.ledger import Ledger
    from hpo.paths import StudyPaths
    from hpo.plain_report import plain
    from hpo.segment import Reported
    from hpo.study import Study
    from hpo.tracking.mlflow import Writer
    from train_fn.report import Report

    paths = StudyPaths(Path("studies") / "made")
    paths.root.mkdir(parents=True)
    ledger = Ledger(paths.ledger, create=True)
    spec: dict[str, Any] = {
        "study": "made",
        "trainable": "tests.toy:epochs",
        "objective": {"maximize": "metric_01"},
        "search_space": {"x": {"uniform": [0.0, 1.0]}},
        "search": {"trials": 1},
    }
    Study.model_validate(spec)
    ledger.append("study", study_id="0" * 32, spec=spec, data={}, environment=describe(), text="")
    ledger.append("asked", trial=0, params={"x": 0.5})
    ledger.append("started", trial=0, attempt=1, from_step=0)
    calls = []
    with ledger.transaction():  # at once: a commit for each is benchmarks/ledger.py
        for step in range(1, steps + 1):
            began = time.perf_counter()
            checked = plain(Report(epoch=step, metrics=METRICS))
            said = Reported(step=step, epoch=checked.epoch, metrics=checked.metrics, seconds=1.0,
                            checkpoint=None, diverged=checked.diverged)  # fmt: skip
            calls.append(time.perf_counter() - began)
            fields = dict(vars(said))
            ledger.append("reported", trial=0, attempt=1, step=fields.pop("step"), **fields)
    writer = Writer(paths, uri)
    began = time.perf_counter()
    writer.catch_up()
    return statistics.median(calls) * steps, time.perf_counter() - began


def told(tell: Callable[[int], Any], steps: int) -> float:
    """Seconds that so many median steps take."""
    calls = []
    for step in range(steps):
        began = time.perf_counter()
        tell(step)
        calls.append(time.perf_counter() - began)
    return statistics.median(calls) * steps


def synchronous(uri: str, steps: int) -> tuple[float, float]:
    import mlflow

    with mlflow.start_run():
        began = time.perf_counter()
        seconds = told(lambda step: mlflow.log_metrics(METRICS, step=step), steps)
        return seconds, time.perf_counter() - began


def asynchronous(uri: str, steps: int) -> tuple[float, float]:
    import mlflow

    with mlflow.start_run():
        began = time.perf_counter()
        seconds = told(lambda step: mlflow.log_metrics(METRICS, step=step, synchronous=False), steps)
        mlflow.flush_async_logging()
        return seconds, time.perf_counter() - began


class RayTrial:
    """As much of Ray's as the callback looks at."""

    config, trial_id, local_path, path = {"x": 0.5}, "one", "", ""


def ray_callback(uri: str, steps: int) -> tuple[float, float]:
    from ray.air.integrations.mlflow import MLflowLoggerCallback

    callback = MLflowLoggerCallback(tracking_uri=uri, experiment_name="peers")
    callback.setup()
    trial: Any = RayTrial()
    callback.log_trial_start(trial)
    began = time.perf_counter()
    seconds = told(lambda step: callback.log_trial_result(step, trial, METRICS | {"training_iteration": step}), steps)
    return seconds, time.perf_counter() - began


def trainer_callback(uri: str, steps: int) -> tuple[float, float]:
    import mlflow
    from transformers import TrainerControl, TrainerState, TrainingArguments
    from transformers.integrations import MLflowCallback

    callback = MLflowCallback()
    arguments = TrainingArguments(output_dir="out", report_to="none", use_cpu=True)
    state, control = TrainerState(), TrainerControl()
    state.is_world_process_zero = True
    model = SimpleNamespace(config=None)
    os.environ["MLFLOW_EXPERIMENT_NAME"], os.environ["MLFLOW_TRACKING_URI"] = "peers", uri
    try:
        callback.setup(arguments, state, model)
        began = time.perf_counter()

        def tell(step: int) -> None:
            state.global_step = step
            callback.on_log(arguments, state, control, METRICS, model=model)

        seconds = told(tell, steps)
        with suppress(AttributeError):
            callback._ml_flow.flush_async_logging()
        return seconds, time.perf_counter() - began
    finally:
        del os.environ["MLFLOW_EXPERIMENT_NAME"], os.environ["MLFLOW_TRACKING_URI"]
        mlflow.end_run()


OURS = "hpo: a report, then the projection"
VARIANTS: dict[str, Callable[[str, int], tuple[float, float]]] = {
    OURS: ours,
    "mlflow.log_metrics at each step": synchronous,
    "mlflow.log_metrics(synchronous=False)": asynchronous,
    "Ray: MLflowLoggerCallback": ray_callback,
    "Trainer: MLflowCallback": trainer_callback,
}


def measurements(found: dict[str, tuple[float, float, float]]) -> list[dict[str, Any]]:
    targets = [
        ("microseconds of a metric in training", TARGET_CALL_US, "us"),
        ("milliseconds of a metric until MLflow has it", TARGET_DRAINED_MS, "ms"),
    ]
    return [
        {
            "name": name,
            "value": found[OURS][index],
            "unit": unit,
            "target": target,
            "holds": found[OURS][index] <= target,
            "peers": {peer: values[index] for peer, values in found.items() if peer != OURS},
            "environment": describe(),
        }
        for index, (name, target, unit) in enumerate(targets)
    ]


if __name__ == "__main__":
    main()

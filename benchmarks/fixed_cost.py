"""What does a trial cost beside its training? A trainable that imports torch and BERT, reports three times and is done.

    python benchmarks/fixed_cost.py [--trials N] [--repeats N] [--only NAME ...] [--runs FILE] [--quick] [--json FILE]

Measured are milliseconds per trial by the clock, of all trials that run side by side: with everything (from the start
of the command to its end), from the moment in which Ray is up to the end of the last trial (warm-up of the workers
included), and in steady state (the mean time from one trial's end to the next in the second half); and the CPU
milliseconds of all processes. Peers: Ray Tune as it comes, which starts a process for each trial (so eight are enough),
and with `reuse_actors=True` and its loggers off. Ours keeps a ledger and tracks with MLflow meanwhile.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from first_step import note
from metering import Cost, metered
from turns import environment, in_turns

from hpo.environment import describe
from train_fn.report import Report

HERE = Path(__file__).parent
REPORTS = 3
LIMIT = 1800.0  # seconds of a run


@dataclass(frozen=True, kw_only=True)
class Config:
    x: float = 0.0
    max_epochs: int = REPORTS


def epochs(config: Config, resume_from: Path | None = None) -> Iterator[Report]:
    """The trainable, ours and theirs."""
    import torch
    from transformers import BertForSequenceClassification

    assert torch and BertForSequenceClassification
    for epoch in range(1, REPORTS + 1):
        yield Report(epoch=epoch, metrics={"loss": config.x / epoch})


@dataclass(frozen=True, kw_only=True)
class Variant:
    label: str
    trials: int | None = None  # where fewer do
    warm: bool = True


OURS = "ours"
VARIANTS: Mapping[str, Variant] = {
    OURS: Variant(label="hpo run"),
    "isolated": Variant(label="hpo run, a process for each trial", trials=8, warm=False),
    "tune": Variant(label="Ray Tune", trials=8, warm=False),
    "tune_reuse": Variant(label="Ray Tune, reuse_actors=True"),
}
TARGETS = {"from Ray's start": 45.0, "steady": 20.0}  # milliseconds per trial of ours


@dataclass(frozen=True, kw_only=True)
class Run:
    trials: int
    wall: float
    cpu: float
    ready: float  # seconds after the start: Ray is up
    ends: list[float]  # of each trial, seconds after the start
    load: float  # of the machine, before

    def milliseconds(self) -> dict[str, float]:
        gaps = [after - before for before, after in zip(self.ends, self.ends[1:], strict=False)]
        return {
            "whole command": 1e3 * self.wall / self.trials,
            "from Ray's start": 1e3 * (self.ends[-1] - self.ready) / self.trials,
            "steady": 1e3 * statistics.mean(gaps[len(gaps) // 2 :]),
            "CPU": 1e3 * self.cpu / self.trials,
        }


def run_ours(variant: Variant, trials: int, folder: Path) -> tuple[Cost, float, list[float]]:
    study = {
        "study": "fixed",
        "trainable": "fixed_cost:epochs",
        "objective": {"minimize": "loss"},
        "search_space": {"x": {"uniform": [0, 1]}},
        "search": {"searcher": "random", "scheduler": "fifo", "trials": trials},
        "resources": {"cpu": 1, "gpu": 0},
        "workers": {"isolate": not variant.warm},
    }
    (folder / "study.yaml").write_text(json.dumps(study))
    cost = metered([sys.executable, "-m", "hpo", "run", "study.yaml"], folder, environment(folder), LIMIT)

    from hpo.ledger import Ledger

    ledger = Ledger(folder / "studies" / "fixed" / "ledger.db")
    events = ledger.events()
    ledger.close()
    ready = next(event.time for event in events if event.kind == "started")
    return cost, ready - cost.began, [event.time - cost.began for event in events if event.kind == "ended"]


def run_tune(variant: Variant, trials: int, folder: Path) -> tuple[Cost, float, list[float]]:
    command = [sys.executable, str(HERE / "fixed_cost.py"), "--peer", str(trials), str(int(variant.warm))]
    cost = metered(command, folder, environment(folder), LIMIT)
    times = [json.loads(line)["time"] - cost.began for line in (folder / "notes.jsonl").read_text().splitlines()]
    return cost, times[0], times[1:]


def peer(trials: int, warm: bool) -> None:
    """Ray Tune in this process."""
    if warm:
        os.environ |= {"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "TUNE_GLOBAL_CHECKPOINT_S": "100000"}
    import ray
    from ray import tune

    notes = Path.cwd() / "notes.jsonl"

    class Body(tune.Trainable):
        def setup(self, config: dict[str, float]) -> None:
            self.reset_config(config)

        def reset_config(self, config: dict[str, float]) -> bool:
            self.reports = epochs(Config(x=config["x"]))
            return True

        def step(self) -> dict[str, Any]:
            report = next(self.reports)
            return {**report.metrics, "done": report.epoch == REPORTS}

        def save_checkpoint(self, checkpoint_dir: str) -> None:
            """Nothing to be saved."""

    class Ends(tune.Callback):
        def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            note(notes, time=time.time())

    ray.init(include_dashboard=False, log_to_driver=False)
    note(notes, time=time.time())
    found = tune.Tuner(
        tune.with_resources(Body, {"cpu": 1}),
        param_space={"x": tune.uniform(0, 1)},
        tune_config=tune.TuneConfig(num_samples=trials, reuse_actors=warm, metric="loss", mode="min"),
        run_config=tune.RunConfig(storage_path=str(Path.cwd() / "ray"), verbose=0, callbacks=[Ends()]),
    ).fit()
    if found.errors:
        sys.exit(f"error: {found.errors[0]}")


def measured(name: str, trials: int) -> Run:
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="fixed-cost-") as folder:
        run = run_tune if name.startswith("tune") else run_ours
        cost, ready, ends = run(VARIANTS[name], trials, Path(folder))
    return Run(trials=trials, wall=cost.wall, cpu=cost.cpu, ready=ready, ends=sorted(ends), load=load)


def main() -> None:
    if sys.argv[1:2] == ["--peer"]:
        return peer(int(sys.argv[2]), bool(int(sys.argv[3])))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--runs", type=Path, help="file of runs made, to go on from")
    parser.add_argument("--quick", action="store_true", help="40 trials, one turn, ours and Ray Tune with reuse")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    chosen, trials, repeats = arguments.only, arguments.trials, arguments.repeats
    if arguments.quick:
        chosen, trials, repeats = [OURS, "tune_reuse"], 40, 1
    variants = {name: variant for name, variant in VARIANTS.items() if name in chosen}
    few = {name: min(trials, variant.trials or trials) for name, variant in variants.items()}
    found = in_turns(
        Run,
        {name: variant.label for name, variant in variants.items()},
        repeats,
        lambda name: measured(name, few[name]),
        arguments.runs,
        lambda name: {"of": few[name]},
    )
    columns = ["whole command", "from Ray's start", "steady", "CPU"]
    load = statistics.median(one.load for runs in found.values() for one in runs)
    print(f"milliseconds per trial; medians of {repeats}; load before {load:.1f}\n")
    print(f"{'':36}{'trials':>7}" + "".join(f"{column:>18}" for column in columns))
    table = []
    for name, runs in found.items():
        told = {column: statistics.median(one.milliseconds()[column] for one in runs) for column in columns}
        print(f"{VARIANTS[name].label:36}{runs[0].trials:7}" + "".join(f"{told[column]:18,.1f}" for column in columns))
        table += [
            {
                "name": f"{VARIANTS[name].label}: {column}",
                "value": value,
                "unit": "ms per trial",
                "target": (target := TARGETS.get(column) if name == OURS else None),
                "holds": None if target is None else value <= target,
                "peers": {},
                "spread": None,
                "environment": describe(),
            }
            for column, value in told.items()
        ]
    if arguments.json:
        arguments.json.write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()

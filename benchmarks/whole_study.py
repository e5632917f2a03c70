"""How long does a whole study take? `hpo run` beside searches with `transformers.Trainer`, Optuna and Ray Tune.

    python benchmarks/whole_study.py [--part whole|early|cold] [--only NAME ...] [--repeats N] [--trials N] [--rows N]
                                     [--epochs N] [--runs FILE] [--quick] [--json FILE]

Run it from the project's root: the rows are those of ../shared/data/banking77_en.

`whole`: 32 fixed configurations (learning rates), MiniLM, 2,048 rows, one epoch and an evaluation on 512 rows, batches
of 32 rows of at most 128 tokens, one CPU to a trial, as many trials at a time as there are CPUs. Optuna through Trainer
runs one trial at a time, with all threads. `early`: nine epochs of 27 configurations, with ASHA in both of its forms
and without: how long until the best loss of the run without. `cold`: two configurations, of which only the first
optimizer step matters.

Measured are seconds from the start of the command to its end, the CPU seconds of all its processes, and when an
optimizer first took a step. Ours tracks with MLflow, keeps a ledger and commits checkpoints meanwhile; the peers do
nothing of the kind unless their label says so. Prepared data, and the tables of MLflow's database, are there before.

Variants run in turn, A-B-C-A-B-C, each in an empty folder. `--runs FILE` appends each run as a line of JSON, and takes
those in it for done: what was broken off goes on. Ratios are medians over the turns. The loss is the mean of the
validation losses of all configurations, which should be alike.
"""

import argparse
import json
import math
import os
import random
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from metering import Cost, median_ratio, metered
from study_peers import BATCH, MAX_LENGTH, REDUCTION, SEED, Spec
from turns import environment, in_turns

from hpo.environment import describe
from hpo.tracking.mlflow_database import make
from train_fn import data
from train_fn.data import TextDataConfig
from train_fn.precision import processor_has_bf16
from train_fn.pretrained import locate

DATA = Path("../shared/data/banking77_en")
HERE = Path(__file__).parent
RATES = (1e-4, 2e-3)  # the lowest and the highest
VALID_ROWS = 512
LIMIT = 3 * 3600.0  # seconds of a run


@dataclass(frozen=True, kw_only=True)
class Variant:
    label: str
    target: float | None = None  # how many times as fast ours is to be
    scheduler: str = "fifo"  # of ours
    tracked: bool = False


OURS = "ours"
WHOLE: Mapping[str, Variant] = {
    OURS: Variant(label="hpo run"),
    "trainer_ray": Variant(label='Trainer.hyperparameter_search(backend="ray")', target=5.0),
    "trainer_optuna": Variant(label='Trainer.hyperparameter_search(backend="optuna")', target=3.0),
    "tune": Variant(label="Ray Tune, a Trainer in each trial", target=5.0),
    "tune_best": Variant(label="Ray Tune, every good flag", target=1.3),
}
EARLY: Mapping[str, Variant] = {
    OURS: Variant(label="hpo run, asha", scheduler="asha"),
    "ours_promoting": Variant(label="hpo run, promoting_asha", scheduler="promoting_asha"),
    "ours_fifo": Variant(label="hpo run, fifo", target=2.5),
    "tune_asha": Variant(label="Ray Tune with its ASHA, a Trainer in each trial", target=2.0),
}
COLD: Mapping[str, Variant] = {
    OURS: Variant(label="hpo run"),
    "trainer_ray": Variant(label='Trainer.hyperparameter_search(backend="ray"), MLflow', target=2.0, tracked=True),
}


@dataclass(frozen=True, kw_only=True)
class Task:
    """What every variant is to do."""

    trials: int
    rows: int
    epochs: int

    @property
    def rates(self) -> list[float]:
        """On a logarithmic scale, in the order of a random search.

        Were each better than those before, as from the lowest up, ASHA would have nobody to stop.
        """
        low, high = map(math.log, RATES)
        steps = max(1, self.trials - 1)
        rates = [float(f"{math.exp(low + (high - low) * number / steps):.4g}") for number in range(self.trials)]
        return random.Random(SEED).sample(rates, k=len(rates))


@dataclass(frozen=True, kw_only=True)
class Run:
    wall: float
    cpu: float
    first_step: float  # seconds after the start
    reports: list[list[float]]  # seconds after the start, learning rate, epoch, validation loss
    load: float  # of the machine, before

    @property
    def losses(self) -> dict[float, float]:
        """Learning rate -> last validation loss."""
        return {rate: loss for _, rate, _, loss in sorted(self.reports)}

    @property
    def best(self) -> float:
        return min(loss for *_, loss in self.reports)

    def seconds_to(self, loss: float) -> float:
        return min((seconds for seconds, *_, reached in self.reports if reached <= loss), default=math.inf)


def data_config(task: Task) -> dict[str, Any]:
    return {
        "train": str((DATA / "train.csv").absolute()),
        "valid": str((DATA / "valid.csv").absolute()),
        "max_train_rows": task.rows,
        "max_valid_rows": min(VALID_ROWS, task.rows),
    }


def run_ours(task: Task, variant: Variant, folder: Path) -> tuple[Cost, list[list[float]]]:
    study = {
        "study": "whole",
        "trainable": "traced_text:epochs",
        "objective": {"minimize": "loss"},
        "config": {
            "data": data_config(task),
            "model": "minilm",
            "batch_size": BATCH,
            "max_length": MAX_LENGTH,
            "max_epochs": task.epochs,
            "weight_decay": 0.0,
            "seed": SEED,
        },
        "search_space": {"learning_rate": {"log_uniform": [RATES[0] / 2, RATES[1] * 2]}},
        "meant": ["decay"],
        "search": {
            "searcher": "random",
            "scheduler": {variant.scheduler: {} if variant.scheduler == "fifo" else {"reduction_factor": REDUCTION}},
            "trials": task.trials,
            "points": [{"learning_rate": rate} for rate in task.rates],
        },
        "resources": {"cpu": 1, "gpu": 0},
    }
    (folder / "study.yaml").write_text(json.dumps(study))
    command = [sys.executable, "-m", "hpo", "run", "study.yaml"]
    cost = metered(command, folder, environment_in(folder), LIMIT)
    return cost, ledger_reports(folder, cost)


def ledger_reports(folder: Path, cost: Cost) -> list[list[float]]:
    from hpo.ledger import Ledger

    ledger = Ledger(folder / "studies" / "whole" / "ledger.db")
    events = ledger.events()
    ledger.close()
    asked = [event for event in events if event.kind == "asked"]
    return [
        [
            event.time - cost.began,
            asked[event.trial].payload["params"]["learning_rate"],
            event.payload["epoch"],
            event.payload["metrics"]["loss"],
        ]
        for event in events
        if event.kind == "reported" and event.trial is not None
    ]


def run_peer(name: str, task: Task, variant: Variant, folder: Path) -> tuple[Cost, list[list[float]]]:
    splits = data.load(TextDataConfig(**data_config(task)))
    rows = {
        split: {"texts": list(examples.texts), "labels": [int(target) for target in examples.targets]}
        for split, examples in (("train", splits.train), ("valid", splits.valid))
    }
    (folder / "rows.json").write_text(json.dumps(rows))
    spec = Spec(
        rates=task.rates,
        epochs=task.epochs,
        model=str(locate("minilm")),
        rows=str(folder / "rows.json"),
        labels=len(splits.labels),
        at_once=os.cpu_count() or 1,
        bf16=processor_has_bf16(),
        notes=str(folder / "notes.jsonl"),
        tracked=variant.tracked,
    )
    (folder / "spec.json").write_text(json.dumps(asdict(spec)))
    if variant.tracked:  # its trials would make the tables at the same time, and fail
        make(environment(folder)["MLFLOW_TRACKING_URI"])
    command = [sys.executable, str(HERE / "study_peers.py"), name, "spec.json"]
    cost = metered(command, folder, environment_in(folder), LIMIT)
    notes = [json.loads(line) for line in (folder / "notes.jsonl").read_text().splitlines()]
    return cost, [
        [note["time"] - cost.began, note["rate"], note["epoch"], note["loss"]] for note in notes if "loss" in note
    ]


def environment_in(folder: Path) -> dict[str, str]:
    return {
        **environment(folder),
        "FIRST_STEP": str(folder / "notes.jsonl"),
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }


def run(name: str, variant: Variant, task: Task) -> Run:
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="whole-study-") as place:
        folder = Path(place)
        ours = name.startswith(OURS)
        cost, reports = run_ours(task, variant, folder) if ours else run_peer(name, task, variant, folder)
        notes = [json.loads(line) for line in (folder / "notes.jsonl").read_text().splitlines()]
    first = min(note["first_step"] for note in notes if "first_step" in note) - cost.began
    return Run(wall=cost.wall, cpu=cost.cpu, first_step=first, reports=reports, load=load)


Row = dict[str, Any]


def row(name: str, value: float, unit: str, target: float | None, peers: Mapping[str, float]) -> Row:
    holds = None if target is None else value >= target
    return {"name": name, "value": value, "unit": unit, "target": target, "holds": holds, "peers": dict(peers)}


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def whole_table(found: Mapping[str, list[Run]], variants: Mapping[str, Variant]) -> list[Row]:
    print(f"\n{'':50} {'s':>7} {'CPU s':>7} {'first step':>10} {'loss':>6} {'best':>6}  ours is faster   CPU   target")
    rows = []
    for name, runs in found.items():
        ours, target = found[OURS], variants[name].target
        walls, cpus, first = ([getattr(one, name) for one in runs] for name in ("wall", "cpu", "first_step"))
        wall = median_ratio(walls, [one.wall for one in ours])
        cpu = median_ratio(cpus, [one.cpu for one in ours])
        loss = median([statistics.mean(one.losses.values()) for one in runs])
        print(
            f"{variants[name].label:50} {median(walls):7.1f} {median(cpus):7.1f} {median(first):9.1f}s"
            f" {loss:6.3f} {median([one.best for one in runs]):6.3f}"
            + (f"  {wall:13.2f}x {cpu:6.2f}x {f'{target:g}x':>6}" if name != OURS else "")
        )
        if name != OURS:
            peers = {variants[name].label: median(walls)}
            rows.append(row(f"whole study, ours / {variants[name].label}", wall, "x", target, peers))
    return rows


def early_table(found: Mapping[str, list[Run]], variants: Mapping[str, Variant]) -> list[Row]:
    """Seconds to the best loss that each turn's run without a scheduler came to."""
    print(f"\n{'':50} {'s to it':>8} {'s':>7} {'CPU s':>7} {'epochs':>6} {'best':>6}  ours is faster  target")
    rows = []
    bars = [one.best * 1.001 for one in found["ours_fifo"]]
    ours = [one.seconds_to(bar) for one, bar in zip(found[OURS], bars, strict=False)]
    for name, runs in found.items():
        reached = [one.seconds_to(bar) for one, bar in zip(runs, bars, strict=False)]
        ratio, target = median_ratio(reached, ours), variants[name].target
        print(
            f"{variants[name].label:50} {median(reached):8.1f} {median([one.wall for one in runs]):7.1f}"
            f" {median([one.cpu for one in runs]):7.1f} {median([len(one.reports) for one in runs]):6.0f}"
            f" {median([one.best for one in runs]):6.3f}" + (f"  {ratio:13.2f}x {f'{target:g}x':>7}" if target else "")
        )
        if target:
            peers = {variants[name].label: median(reached)}
            rows.append(row(f"to the best loss, ours / {variants[name].label}", ratio, "x", target, peers))
    return rows


def cold_table(found: Mapping[str, list[Run]], variants: Mapping[str, Variant]) -> list[Row]:
    print(f"\n{'seconds to the first optimizer step':50} {'s':>7}  ours is faster  target")
    rows = []
    for name, runs in found.items():
        ratio = median_ratio([one.first_step for one in runs], [one.first_step for one in found[OURS]])
        seconds, target = median([one.first_step for one in runs]), variants[name].target
        print(f"{variants[name].label:50} {seconds:7.1f}" + (f"  {ratio:13.2f}x {f'{target:g}x':>7}" if target else ""))
        if target:
            rows.append(
                row(f"cold start, ours / {variants[name].label}", ratio, "x", target, {variants[name].label: seconds})
            )
    return rows


PARTS = {"whole": (WHOLE, whole_table), "early": (EARLY, early_table), "cold": (COLD, cold_table)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, default="whole")
    parser.add_argument("--only", nargs="+", help="these variants beside ours")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--trials", type=int, help="configurations; 32, early 27, cold 2 unless given")
    parser.add_argument("--rows", type=int, default=2048)
    parser.add_argument("--epochs", type=int, help="1, early 9 unless given")
    parser.add_argument("--runs", type=Path, help="file of runs made, to go on from")
    parser.add_argument("--quick", action="store_true", help="4 configurations, 192 rows, one turn")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if not DATA.is_dir():
        print(f"skipped: needs {DATA}, which is absent here")
        return
    part = arguments.part
    variants, table = PARTS[part]
    if arguments.only:
        kept = {OURS, *arguments.only} | ({"ours_fifo"} if part == "early" else set())
        variants = {name: variant for name, variant in variants.items() if name in kept}
    trials = arguments.trials or {"whole": 32, "early": 27, "cold": 2}[part]
    task = Task(trials=trials, rows=arguments.rows, epochs=arguments.epochs or (9 if part == "early" else 1))
    repeats = arguments.repeats
    if arguments.quick:
        task, repeats = Task(trials=4, rows=192, epochs=task.epochs), 1
    data.prepare(TextDataConfig(**data_config(task)))  # or the first would pay for all
    found = in_turns(
        Run,
        {name: variant.label for name, variant in variants.items()},
        repeats,
        lambda name: run(name, variants[name], task),
        arguments.runs,
        lambda name: {"part": part, "task": asdict(task)},
    )
    print(f"{task.trials} configurations, {task.rows:,} rows, {task.epochs} epochs; {repeats} turns", end="")
    print(f"; load before {median([one.load for runs in found.values() for one in runs]):.1f}")
    rows = table(found, variants)
    if arguments.json:
        known = {"environment": describe(), "spread": None}
        arguments.json.write_text(json.dumps([{**one, **known} for one in rows], indent=1))


if __name__ == "__main__":
    main()

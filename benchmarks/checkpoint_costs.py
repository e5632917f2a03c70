"""What does a checkpoint cost? The pause of training, the way back, and the disk that 100 trials take.

    python benchmarks/checkpoint_costs.py [--repeats N] [--trials N] [--quick] [--json FILE]

MiniLM with AdamW, one thread. Pauses in turn: `torch.save` of model and optimizer, the same forced to the disk, ours
(safetensors, SHA-256 of each file, forced to the disk, renamed), and ours as a copy in memory, to be written while
training goes on. What that comes to: the seconds of an epoch without a checkpoint, with one that is written meanwhile,
as a study does, and with one that is waited for. Back: `torch.load` and `load_state_dict` of both, ours into a state
that is there, and ours with the SHA-256 of every file looked at before. Files are in the page cache.

Disk: 100 trials of three epochs through `hpo run --in-process`, whose checkpoints are 1 MB; the most that lie below the
study at any report, in checkpoints. Ray Tune keeps every one unless told otherwise; with `num_to_keep=1` one of each
trial.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from turns import environment

from hpo.environment import describe
from train_fn.report import Report

EPOCHS, MEGABYTE = 3, 1_000_000
TARGETS = {"pause": 5.0, "restore": 10.0, "disk": 10.0}
PLAIN, SYNCED, COMMIT, COPY = "torch.save", "torch.save, forced to the disk", "ours, committed", "ours, copied"
WITHOUT, MEANWHILE, WAITED = "an epoch without a checkpoint", "written meanwhile", "waited for"
BACK, OURS_BACK, CHECKED_BACK = "torch.load, load_state_dict", "ours", "ours, SHA-256 looked at"


@dataclass(frozen=True, kw_only=True)
class Config:
    x: float = 0.0
    max_epochs: int = EPOCHS


def epochs(config: Config, resume_from: Path | None = None) -> Iterator[Report]:
    """The trainable of the disk's part; it writes down what lies there before each report."""

    def save(folder: Path) -> None:
        (folder / "weights").write_bytes(bytes(MEGABYTE))

    for epoch in range(1, EPOCHS + 1):
        there = sum(path.stat().st_size for path in Path("studies").rglob("weights"))
        with open("sizes.txt", "a") as sizes:
            sizes.write(f"{there}\n")
        yield Report(epoch=epoch, metrics={"loss": config.x + 1 / epoch}, save=save)


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def stalls(repeats: int) -> dict[str, list[float]]:
    """Seconds of each pause and of each way back."""
    import torch
    from transformers import AutoModelForSequenceClassification

    from train_fn import checkpoint
    from train_fn.batches import training_batches
    from train_fn.config import TextConfig
    from train_fn.data import TextDataConfig
    from train_fn.loop import report
    from train_fn.pretrained import locate
    from train_fn.quiet import quiet
    from train_fn.resuming import load_state
    from train_fn.setup import begin
    from train_fn.stretch import train_stretch

    torch.set_num_threads(1)
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        rows = "\n".join(f"sentence {row} of a text about {'ab'[row % 2] * 3},{'ab'[row % 2]}" for row in range(400))
        (folder / "rows.csv").write_text(f"text,label\n{rows}\n")
        data = TextDataConfig(file=str(folder / "rows.csv"), cache=str(folder / "cache"), near_duplicates="ignore")
        config = TextConfig(data=data, model="minilm", max_epochs=1)
        setup, state = begin(config)
        list(train_stretch(setup, state, training_batches(setup.train, config, 0)[:4]))
        said = report(setup, state, {"loss": 1.0}, {})
        save, snapshot = said.save, said.snapshot
        assert save and snapshot
        _, other = begin(config)  # what is restored into
        plain = folder / "plain.pt"
        with quiet():
            model = AutoModelForSequenceClassification.from_pretrained(locate("minilm"))
        optimizer = torch.optim.AdamW(model.parameters())
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step()

        def torch_save() -> None:
            torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, plain)

        def torch_save_synced() -> None:
            torch_save()
            checkpoint.sync(plain)

        def torch_load() -> None:
            held = torch.load(plain, weights_only=True)
            model.load_state_dict(held["model"])
            optimizer.load_state_dict(held["optimizer"])

        for turn in range(repeats):
            committed = folder / f"checkpoint-{turn}"
            for name, work in {
                PLAIN: torch_save,
                SYNCED: torch_save_synced,
                COMMIT: lambda committed=committed: checkpoint.commit(committed, save),
                COPY: lambda: snapshot(),
                BACK: torch_load,
                OURS_BACK: lambda committed=committed: load_state(committed, other, config),
                CHECKED_BACK: lambda committed=committed: (
                    checkpoint.verify(committed),
                    load_state(committed, other, config),
                ),
            }.items():
                found.setdefault(name, []).append(seconds(work))
            checkpoint.discard(committed)
    return found


def epoch_seconds(repeats: int) -> dict[str, list[float]]:
    """Of MiniLM on 512 rows, until the next report."""
    import torch

    from hpo.desk import Desk
    from hpo.segment import Segment
    from hpo.writing import told
    from train_fn.config import TextConfig
    from train_fn.data import TextDataConfig
    from train_fn.loop import fine_tune
    from train_fn.report import BETWEEN_STEPS

    torch.set_num_threads(1)
    ways: dict[str, dict[str, Any]] = {
        WITHOUT: {"save": None, "snapshot": None},
        MEANWHILE: {},
        WAITED: {"snapshot": None},
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        rows = "\n".join(f"sentence {row} of a text about {'ab'[row % 2] * 3},{'ab'[row % 2]}" for row in range(600))
        (folder / "rows.csv").write_text(f"text,label\n{rows}\n")
        data = TextDataConfig(file=str(folder / "rows.csv"), cache=str(folder / "cache"), near_duplicates="ignore")
        config = TextConfig(data=data, model="minilm", max_epochs=EPOCHS)

        def run(changes: dict[str, None], at: list[float]) -> Iterator[Report]:
            reports, asked = fine_tune(config), None
            with contextlib.suppress(StopIteration):
                while True:
                    if (said := reports.send(asked)) is not BETWEEN_STEPS:
                        at.append(time.perf_counter())
                        said = dataclasses.replace(said, **changes)
                    asked = yield said

        for turn in range(repeats):
            for name, changes in ways.items():
                segment = Segment(
                    trial=turn, attempt=1, trainable="", config={}, checkpoint=None, from_step=0, folder="", threads=1
                )
                at: list[float] = []
                desk = Desk(folder=folder / "trial", checkpoint=None)
                for _ in told(run(changes, at), desk, segment):  # type: ignore[arg-type]
                    pass
                shutil.rmtree(desk.folder, ignore_errors=True)
                found[name].append((at[-1] - at[0]) / (len(at) - 1))
    return found


def most_on_disk(trials: int) -> float:
    """Checkpoints at once of a study of so many trials."""
    study = {
        "study": "disk",
        "trainable": "checkpoint_costs:epochs",
        "objective": {"minimize": "loss"},
        "search_space": {"x": {"uniform": [0, 1]}},
        "search": {"searcher": "random", "scheduler": "fifo", "trials": trials},
        "resources": {"cpu": 1, "gpu": 0},
    }
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "study.yaml").write_text(json.dumps(study))
        subprocess.run(
            [sys.executable, "-m", "hpo", "run", "study.yaml", "--in-process"],
            cwd=folder,
            env={**os.environ, **environment(folder)},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return max(map(int, (folder / "sizes.txt").read_text().split())) / MEGABYTE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--quick", action="store_true", help="3 repeats, 20 trials")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    repeats, trials = (3, 20) if arguments.quick else (arguments.repeats, arguments.trials)
    load = os.getloadavg()[0]
    measured = {**stalls(repeats), **epoch_seconds(max(3, repeats // 3))}
    times = {name: 1e3 * statistics.median(several) for name, several in measured.items()}
    print(f"medians of {repeats}; load before {load:.1f}\n")
    for name, milliseconds in times.items():
        print(f"{name:40}{milliseconds:8.0f} ms")
    ours, plain = most_on_disk(trials), trials * EPOCHS
    meanwhile, waited = times[MEANWHILE] - times[WITHOUT], times[WAITED] - times[WITHOUT]
    print(f"\na checkpoint makes an epoch longer by {meanwhile:.0f} ms meanwhile, {waited:.0f} ms waited for")
    print(f"\n{f'most checkpoints at once, {trials} trials':40}{ours:8.0f}, of which Ray Tune keeps {plain}")
    ratios = {
        "pause": (times[PLAIN] / times[COPY], {PLAIN: times[PLAIN]}),
        "restore": (times[BACK] / times[OURS_BACK], {BACK: times[BACK]}),
        "disk": (plain / ours, {"Ray Tune": float(plain)}),
    }
    rows: list[dict[str, Any]] = []
    for name, (ratio, peers) in ratios.items():
        print(f"{name:40}{ratio:8.1f}x, target {TARGETS[name]:g}x")
        known = {"unit": "x", "target": TARGETS[name], "holds": ratio >= TARGETS[name], "spread": None}
        rows.append({"name": name, "value": ratio, "peers": peers, **known, "environment": describe()})
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()

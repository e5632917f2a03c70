"""Does training notice that MLflow is slow, or away? The same study beside a server that is well, late, or down.

    python benchmarks/outages.py [--epochs N] [--repeats N] [--runs FILE] [--quick] [--json FILE]

One trial on Ray whose epochs are the same work each (some 50 ms of matrix products on one thread) and report 20
metrics. Measured are the seconds from one epoch's beginning to the next one's: work, report, and commit to the ledger.
Variants run in turn, each in an empty folder; what is compared are medians over the epochs of a run, within a turn.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from metering import median_ratio
from turns import environment, in_turns

PROJECT = Path(__file__).absolute().parents[1]
sys.path.insert(0, str(PROJECT))

from hpo.environment import describe  # noqa: E402
from tests.mlflow_server import Faults, proxy, server  # noqa: E402

MOST_CHANGED = 0.01
WELL = "well"
VARIANTS: Mapping[str, str] = {
    WELL: "MLflow's server is well",
    "late": "each reply comes a second late",
    "failing": "two requests of three fail",
    "down": "no request gets through",
}
FAULTS: Mapping[str, Faults] = {
    WELL: Faults(),
    "late": Faults(rate=1.0, ways=("delays",), delay=1.0),
    "failing": Faults(rate=0.67),
    "down": Faults(down=True),
}
TRAINABLE = """\
import json, time
from dataclasses import dataclass
from pathlib import Path
from train_fn.report import Report

@dataclass(frozen=True, kw_only=True)
class Config:
    x: float = 0.0
    max_epochs: int = 100

def epochs(config: Config, resume_from=None):
    import torch
    factor = torch.ones(600, 600)
    for epoch in range(1, config.max_epochs + 1):
        with Path("begun.jsonl").open("a") as file:
            file.write(json.dumps(time.perf_counter()) + "\\n")
        for _ in range(10):
            factor @ factor
        yield Report(epoch=epoch, metrics={f"metric_{number:02d}": epoch + config.x for number in range(20)})
"""


@dataclass(frozen=True, kw_only=True)
class Run:
    steps: list[float]  # seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--runs", type=Path, help="file of runs made, to go on from")
    parser.add_argument("--quick", action="store_true", help="100 epochs, one turn")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    epochs, repeats = (100, 1) if arguments.quick else (arguments.epochs, arguments.repeats)
    found = in_turns(
        Run, VARIANTS, repeats, lambda name: measured(name, epochs), arguments.runs, lambda _: {"epochs": epochs}
    )
    medians = {name: [statistics.median(run.steps) for run in runs] for name, runs in found.items()}
    print(f"{epochs} epochs, {repeats} turns; at most {1 + MOST_CHANGED:g} is aimed at\n")
    print(f"{'':36}{'ms per epoch':>14}{'against well':>14}")
    rows = []
    for name, label in VARIANTS.items():
        ratio = median_ratio(medians[name], medians[WELL])
        print(f"{label:36}{1e3 * statistics.median(medians[name]):14.2f}{ratio:14.4f}")
        rows.append({"name": label, "value": ratio, "target": 1 + MOST_CHANGED, "holds": ratio <= 1 + MOST_CHANGED})
    if arguments.json:
        arguments.json.write_text(json.dumps([{**row, "environment": describe()} for row in rows], indent=1))


def measured(name: str, epochs: int) -> Run:
    study = {
        "study": "outages",
        "trainable": "work:epochs",
        "objective": {"maximize": "metric_00"},
        "config": {"max_epochs": epochs},
        "search_space": {"x": {"uniform": [0, 1]}},
        "search": {"searcher": "random", "scheduler": "fifo", "trials": 1},
        "resources": {"cpu": 1, "gpu": 0},
    }
    with tempfile.TemporaryDirectory(prefix="outages-") as place, tracked(FAULTS[name]) as address:
        folder = Path(place)
        (folder / "work.py").write_text(TRAINABLE)
        (folder / "study.yaml").write_text(json.dumps(study))
        around = {**os.environ, **environment(folder), "MLFLOW_TRACKING_URI": address}
        command = [sys.executable, "-m", "hpo", "run", "study.yaml"]
        with (folder / "said.txt").open("wb") as said:
            driver = subprocess.Popen(command, cwd=folder, env=around, stdout=said, stderr=said)
            while driver.poll() is None:
                time.sleep(0.2)
        begun = [json.loads(line) for line in (folder / "begun.jsonl").read_text().splitlines()]
    if driver.returncode or len(begun) != epochs:
        raise RuntimeError(f"{name}: exit code {driver.returncode} after {len(begun)} epochs")
    return Run(steps=[after - before for before, after in zip(begun, begun[1:], strict=False)])


@contextmanager
def tracked(faults: Faults) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as address, proxy(address, faults) as proxied:
        yield proxied


if __name__ == "__main__":
    main()

"""What does the ledger cost a trial, and does it cost more in a long study?

    python benchmarks/ledger.py [--trials N] [--quick] [--folder FOLDER] [--json FILE]

A trial of one report is two commits: asked and started; reported, decided and ended. Each is on the disk when it
returns, so the price is that of the disk's synchronisation, of which one alone is measured beside it; all are measured
in turns, so that other load of the disk falls on all. The peers: other journals of SQLite under the same ledger, and
Optuna's storages, whose SQLite commits each parameter, value and state by itself, and whose journal file is one file of
JSON lines that a crash can tear.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from hpo.environment import describe
from hpo.ledger import Ledger

METRICS = {f"metric_{index}": 0.1 * index for index in range(12)}
PARAMS = {"learning_rate": 3e-4, "layer_decay": 0.9, "schedule": "cosine", "warmup_ratio": 0.1}
TARGET_MS = 5.0
TURN = 20  # trials of each before the next one's turn
SYNCHRONISATION = "one fdatasync of 4 kB, twice"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2_000)
    parser.add_argument("--quick", action="store_true", help="200 trials")
    parser.add_argument("--folder", type=Path, help="on the disk to be measured; if left out, that of temporary files")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    trials = 200 if arguments.quick else arguments.trials
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        found = measure(Path(folder), trials)
        calls = synchronisations(Path(folder))
    print(f"{trials:,} trials of one report, milliseconds each\n")
    print(f"{'':48}{'median':>8}{'p90':>8}{'CPU':>8}{'slope per 1,000 trials':>24}")
    for name, (wall, cpu) in found.items():
        print(f"{name:48}{statistics.median(wall):8.2f}{np.quantile(wall, 0.9):8.2f}{statistics.mean(cpu):8.2f}"
              f"{slope(wall):24.3f}")  # fmt: skip
    print(f"\nsynchronisations in a commit: {calls or 'strace is not installed'}")
    if arguments.json:
        arguments.json.write_text(json.dumps(measurements(found), indent=1) + "\n", encoding="utf-8")


def measure(folder: Path, trials: int) -> dict[str, tuple[list[float], list[float]]]:
    """Name -> wall and CPU milliseconds of each trial, in order."""
    runs = {name: make(folder) for name, make in VARIANTS.items()}
    found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in runs}
    for begin in range(0, trials, TURN):
        for name, run in runs.items():
            for number in range(begin, min(begin + TURN, trials)):
                wall, cpu = time.perf_counter(), time.process_time()
                run(number)
                found[name][0].append((time.perf_counter() - wall) * 1e3)
                found[name][1].append((time.process_time() - cpu) * 1e3)
    return found


def ours(journal: str, synchronous: str) -> Callable[[Path], Callable[[int], None]]:
    def make(folder: Path) -> Callable[[int], None]:
        place = folder / f"{journal}-{synchronous}"
        place.mkdir()
        ledger = Ledger(place / "ledger.db", create=True)

        def change(connection: Any, _record: Any) -> None:
            connection.execute(f"PRAGMA journal_mode={journal}")
            connection.execute(f"PRAGMA synchronous={synchronous}")

        sa.event.listen(ledger.place.engine, "connect", change)
        ledger.close()  # it connects anew

        def run(number: int) -> None:
            with ledger.transaction():
                ledger.append("asked", params=PARAMS, searcher="tpe")
                ledger.append("started", number, 1, from_step=0, checkpoint=None)
            with ledger.transaction():
                ledger.append("reported", number, 1, 1, epoch=1.0, metrics=METRICS, seconds=9.0,
                              checkpoint="checkpoint-01-000001", diverged=None)  # fmt: skip
                ledger.append("decided", number, 1, 1, stop=True, reason="below the cutoff", value=0.5, cutoff=0.6)
                ledger.append("ended", number, 1, state="PRUNED", reason="below the cutoff")

        return run

    return make


def optuna_storage(kind: str) -> Callable[[Path], Callable[[int], None]]:
    def make(folder: Path) -> Callable[[int], None]:
        import optuna
        from optuna.storages import JournalStorage, RDBStorage
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.disable_default_handler()
        storage = (
            RDBStorage(f"sqlite:///{folder}/optuna.db")
            if kind == "sqlite"
            else JournalStorage(JournalFileBackend(f"{folder}/optuna.log"))
        )
        study = optuna.create_study(storage=storage, sampler=optuna.samplers.RandomSampler(0))

        def run(number: int) -> None:
            trial = study.ask()
            for name in PARAMS:
                trial.suggest_float(name, 0.0, 1.0)
            trial.report(0.5, 1)
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)

        return run

    return make


def one_synchronisation(folder: Path) -> Callable[[int], None]:
    descriptor = os.open(folder / "plain", os.O_CREAT | os.O_WRONLY)

    def run(number: int) -> None:
        for _ in range(2):
            os.write(descriptor, b"x" * 4096)
            os.fdatasync(descriptor)

    return run


VARIANTS: dict[str, Callable[[Path], Callable[[int], None]]] = {
    "ours: journal kept, FULL": ours("PERSIST", "FULL"),
    "journal deleted, FULL (not durable)": ours("DELETE", "FULL"),
    "journal deleted, EXTRA": ours("DELETE", "EXTRA"),
    "journal cut, FULL": ours("TRUNCATE", "FULL"),
    "write-ahead log, FULL (see hpo/ledger_file.py)": ours("WAL", "FULL"),
    "Optuna, SQLite": optuna_storage("sqlite"),
    "Optuna, journal file": optuna_storage("journal"),
    SYNCHRONISATION: one_synchronisation,
}


def slope(wall: list[float]) -> float:
    """Milliseconds that a trial costs more for each 1,000 before it, by Theil and Sen, whom no outlier moves."""
    edges = np.linspace(0, len(wall), 11).astype(int)
    medians = [np.median(wall[a:b]) for a, b in zip(edges, edges[1:], strict=False)]
    middle = (edges[:-1] + edges[1:]) / 2
    slopes = [(medians[b] - medians[a]) / (middle[b] - middle[a]) for a in range(10) for b in range(a + 1, 10)]
    return float(np.median(slopes)) * 1e3


def synchronisations(folder: Path) -> str:
    """As strace sees them over 100 trials, in each commit."""
    if not shutil.which("strace"):
        return ""
    code = "import sys, pathlib, benchmarks.ledger as b; run = b.ours('PERSIST', 'FULL')(pathlib.Path(sys.argv[1]))\n"
    code += "for number in range(100): run(number)"
    place, log = folder / "traced", folder / "trace"
    place.mkdir()
    command = [
        "strace",
        "-f",
        "-y",
        "-o",
        str(log),
        "-e",
        "trace=fsync,fdatasync",
        sys.executable,
        "-c",
        code,
        str(place),
    ]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[1])
    lines = log.read_text().splitlines()
    kinds = {"of the journal": "-journal>", "of the file": ".db>", "of the folder": "PERSIST-FULL>"}
    return ", ".join(f"{sum(mark in line for line in lines) / 200:.1f} {name}" for name, mark in kinds.items())


def measurements(found: dict[str, tuple[list[float], list[float]]]) -> list[dict[str, Any]]:
    name, *others = found
    peers = {other: statistics.median(found[other][0]) for other in others}
    value, rise, environment = statistics.median(found[name][0]), slope(found[name][0]), describe()
    common = {"environment": environment, "spread": list(np.quantile(found[name][0], [0.1, 0.9]))}
    return [
        {"name": "ledger: a trial", "value": value, "unit": "ms", "target": TARGET_MS, "holds": value <= TARGET_MS,
         "peers": peers, **common},
        {"name": "ledger: slope per 1,000 trials", "value": rise, "unit": "ms", "target": 0.1, "holds": rise <= 0.1,
         "peers": {other: slope(found[other][0]) for other in others}, **common},
    ]  # fmt: skip


if __name__ == "__main__":
    main()

"""Does preparing data take a time that grows with the rows, and no faster? From 1,000 rows to a million.

    python benchmarks/data_preparation.py [--rows N ...] [--quick] [--json FILE]

The files are made from a seed: sentences of 5 to 20 words drawn as words are in a language (by Zipf's law), 20 labels,
and in every hundred rows one without a label, one without a text, two copies, two near copies and one conflict. Each
size has a process of its own. Measured are the seconds that `train_fn.data.prepare` takes with an empty cache, as the
first study does that uses the file, and again, as the second does; and the most memory the process held. The clock is
the process's CPU time where it computes, which suffers least from what else runs on the machine, and that of the wall
for the second study, which only looks.

The slope is that of time over rows, both as logarithms, between two sizes: 1 where twice the rows take twice the time.
"""

import argparse
import json
import math
import multiprocessing
import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from hpo.environment import describe

ROWS = (1_000, 10_000, 100_000, 1_000_000)
QUICK_ROWS = (1_000, 10_000, 30_000)
VOCABULARY = 20_000
LABELS = 20
STEEPEST = 1.15  # slope; sorting alone takes n log n, which is 1.07 between 100,000 and a million rows


@dataclass(frozen=True)
class Measured:
    rows: int
    first: float  # CPU seconds
    again: float  # seconds
    memory: float  # GB, at most, with the libraries
    kept: int  # rows in the splits


def write_rows(path: Path, rows: int, seed: int = 0) -> None:
    import pandas as pd

    rng = np.random.default_rng(seed)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    vocabulary = ["".join(rng.choice(letters, size=size)) for size in rng.integers(2, 10, size=VOCABULARY)]
    share = 1 / np.arange(1, VOCABULARY + 1)
    lengths = rng.integers(5, 21, size=rows)
    drawn = rng.choice(VOCABULARY, size=int(lengths.sum()), p=share / share.sum())
    words = [vocabulary[word] for word in drawn.tolist()]
    ends = np.cumsum(lengths).tolist()
    texts = [" ".join(words[end - length : end]) for end, length in zip(ends, lengths.tolist(), strict=True)]
    labels = [f"label {label}" for label in rng.integers(0, LABELS, size=rows).tolist()]
    for start in range(0, rows - 99, 100):
        labels[start], texts[start + 1] = "", " "
        for row, change in ((10, ""), (20, ""), (30, "really "), (40, "so ")):
            texts[start + row], labels[start + row] = change + texts[start + row + 1], labels[start + row + 1]
        texts[start + 50], labels[start + 50], labels[start + 51] = texts[start + 51], "label 0", "label 1"
    pd.DataFrame({"text": texts, "label": labels}).to_csv(path, index=False)


def measure(rows: int, folder: str) -> Measured:
    from train_fn.data import TextDataConfig, prepare, tables  # noqa: F401  imported now, not while the clock runs

    config = TextDataConfig(file=str(Path(folder) / "rows.csv"), cache=folder)
    start = time.process_time()
    prepared = prepare(config)
    first = time.process_time() - start
    start = time.perf_counter()
    if prepare(config).fingerprint != prepared.fingerprint:
        sys.exit("error: the second study must see what the first one saw")
    again = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return Measured(rows, first, again, memory, sum(prepared.rows.values()))


def slope(small: Measured, large: Measured) -> float:
    return math.log(large.first / small.first) / math.log(large.rows / small.rows)


def row(name: str, value: float, unit: str, **known: Any) -> dict[str, Any]:
    standard = {"target": None, "holds": None, "peers": {}, "spread": None, "environment": describe()}
    return {"name": name, "value": value, "unit": unit, **standard, **known}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", help=f"sizes; {' '.join(map(str, ROWS))} unless given")
    parser.add_argument("--quick", action="store_true", help="up to 30,000 rows: under a minute")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    sizes = sorted(arguments.rows or (QUICK_ROWS if arguments.quick else ROWS))
    if sizes[0] < 500:
        parser.error(f"--rows must be at least 500, got {sizes[0]}, too few to be split by {LABELS} labels; try 1000")

    context, measured = multiprocessing.get_context("spawn"), []
    print(f"{'rows':>9} {'kept':>9} {'prepare, CPU s':>15} {'slope':>6} {'us/row':>7} {'again, ms':>10} {'GB':>5}")
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder, context.Pool(1, maxtasksperchild=1) as pool:
            pool.apply(write_rows, (Path(folder) / "rows.csv", size))
            now = pool.apply(measure, (size, folder))
        steep = f"{slope(measured[-1], now):.2f}" if measured else "-"
        print(
            f"{now.rows:>9,} {now.kept:>9,} {now.first:>15.2f} {steep:>6} {1e6 * now.first / now.rows:>7.1f} "
            f"{1e3 * now.again:>10.1f} {now.memory:>5.2f}",
            flush=True,
        )
        measured.append(now)
    if arguments.json:
        found = [row(f"prepare {one.rows:,} rows", one.first, "cpu-s") for one in measured]
        found += [row(f"prepare {one.rows:,} rows again", one.again, "s") for one in measured]
        found += [row(f"memory for {one.rows:,} rows", one.memory, "GB") for one in measured]
        for small, large in pairwise(measured):
            steep = slope(small, large)
            name = f"slope from {small.rows:,} to {large.rows:,} rows"
            found.append(row(name, steep, "log/log", target=STEEPEST, holds=steep <= STEEPEST))
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()

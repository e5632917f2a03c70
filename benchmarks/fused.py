"""Trials per hour with `fuse_trials`, beside the same trials one after the other.

    python benchmarks/fused.py [--quick] [--json FILE]

Sixteen runs of the tiny BERT on texts made here, each with its own learning rate, weight decay and dropout, two epochs
with an evaluation after each, on one thread. `alone` is the ordinary loop, one run after the other in a warm process;
`n lanes` trains n at once as one computation, another taking the place of each that ends. Turns are interleaved,
A-B-C-A-B-C; the median of the repeats stands in the table. That a lane learns what the run learns alone is a test of
its own (tests/train_fn/test_lanes.py); for a GPU there is benchmarks/gpu/trials_per_hour.py.
"""

import argparse
import csv
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from hpo.environment import describe
from train_fn.config import TextConfig
from train_fn.data import TextDataConfig
from train_fn.fused.lanes import Lane, Lanes
from train_fn.loop import fine_tune

TRIALS, REPEATS, ROWS = 16, 5, 512
AT_ONCE = (1, 4, 16)
BATCHES = (4, 32)
WORDS = {
    "fruit": ("apple", "pear", "plum", "fig", "cherry"),
    "traffic": ("car", "bus", "train", "tram", "bicycle"),
    "colour": ("red", "blue", "green", "pink", "grey"),
}


def texts(folder: Path, rows: int) -> TextDataConfig:
    """Of 3 to 20 words, half of them the label's own."""
    chance, every = random.Random(0), [word for words in WORDS.values() for word in words]
    with (folder / "texts.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["text", "label"])
        for number in range(rows):
            label = list(WORDS)[number % 3]
            words = [chance.choice(WORDS[label] if chance.random() < 0.5 else every) for _ in range(3 + number % 18)]
            table.writerow([" ".join(words), label])
    return TextDataConfig(file=str(folder / "texts.csv"), cache=str(folder / "cache"))


def trials(data: TextDataConfig, count: int, batch_size: int, dropout: bool) -> list[TextConfig]:
    draw = random.Random(0)
    return [
        TextConfig(
            data=data,
            model="tiny",
            max_epochs=2,
            batch_size=batch_size,
            precision="fp32",
            learning_rate=10 ** draw.uniform(-4, -2),
            weight_decay=draw.uniform(0, 0.1),
            hidden_dropout=draw.uniform(0, 0.3) * dropout,
            attention_dropout=draw.uniform(0, 0.3) * dropout,
        )
        for _ in range(count)
    ]


def alone(configs: Sequence[TextConfig]) -> None:
    for config in configs:
        for _ in fine_tune(config):
            pass


def in_lanes(configs: Sequence[TextConfig], at_once: int) -> None:
    lanes, waiting = Lanes(), [replace(config, fuse_trials=True) for config in configs]
    while waiting or lanes.there:
        while waiting and len(lanes.there) < at_once:
            lanes.join(Lane(waiting.pop(0)))
        for lane, report in lanes.train(list(lanes.there)).items():
            if report is None:
                lanes.leave(lane)


def timed(run: Callable[[], None]) -> tuple[float, float]:
    """Wall and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - cpu


def measure(data: TextDataConfig, count: int, repeats: int) -> list[dict[str, Any]]:
    rows = []
    for batch_size in BATCHES:
        for dropout in (False, True):
            configs = trials(data, count, batch_size, dropout)
            ways: dict[str, Callable[[], None]] = {"alone": partial(alone, configs)}
            for at_once in (one for one in AT_ONCE if one <= count):
                ways[f"{at_once} lanes"] = partial(in_lanes, configs, at_once)
            alone(configs[:1])  # data are made, kernels are chosen
            found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
            for _ in range(repeats):
                for way, run in ways.items():
                    found[way].append(timed(run))
            for way, times in found.items():
                ratios = sorted(before[1] / now[1] for before, now in zip(found["alone"], times, strict=True))
                rows.append(
                    {
                        "task": f"{batch_size} rows a step, {'dropout' if dropout else 'no dropout'}",
                        "way": way,
                        "per_hour": count * 3600 / statistics.median(wall for wall, _ in times),
                        "cpu": statistics.median(cpu for _, cpu in times) / count,
                        "ratio": statistics.median(ratios),
                        "spread": [ratios[0], ratios[-1]],
                    }
                )
                print(line(rows[-1]), flush=True)
    return rows


def line(row: dict[str, Any]) -> str:
    low, high = row["spread"]
    return (
        f"| {row['task']} | {row['way']} | {row['per_hour']:,.0f} | {row['cpu']:.2f} | "
        f"{row['ratio']:.2f} ({low:.2f} to {high:.2f}) |"
    )


HEAD = """\
| steps | way | trials per hour | CPU s per trial | CPU time alone over it |
| --- | --- | ---: | ---: | ---: |"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="four trials on a quarter of the rows, three times")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    count, repeats, rows_of_text = (4, 3, ROWS // 4) if arguments.quick else (TRIALS, REPEATS, ROWS)
    print(HEAD)
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(texts(Path(folder), rows_of_text), count, repeats)
    if arguments.json:
        arguments.json.write_text(json.dumps(measurements(rows), indent=1) + "\n", encoding="utf-8")


def measurements(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "name": f"{row['task']}, {row['way']}: CPU time alone over it",
            "value": row["ratio"],
            "unit": "times",
            "target": None,
            "holds": None,
            "peers": {},
            "spread": row["spread"],
            "environment": describe(),
        }
        for row in rows
        if row["way"] != "alone"
    ]


if __name__ == "__main__":
    main()

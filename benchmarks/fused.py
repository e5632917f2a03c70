"""Trials per hour of small models: fused into one process, beside the same trials one after the other.

    python benchmarks/fused.py [--quick] [--json FILE]

Each trial has its own learning rate, weight decay, dropout and seed and runs three epochs with an evaluation after
each, on one thread. `alone` is plain torch, one trial after the other in a warm process: an ordinary module, its
dropout, the fused AdamW. `1 lanes` is the fused loop without anybody beside. Turns are interleaved, A-B-C-A-B-C; the
median of the repeats stands in the table. That a lane learns what the trial learns alone is a test of its own
(tests/train_fn/test_fused.py).
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from sklearn.datasets import load_digits
from torch import nn

from hpo.environment import describe
from train_fn.fused.dropout import KeyedDropout
from train_fn.fused.lanes import Examples, Lane, Recipe, fuse, order
from train_fn.fused.models import Perceptron, TinyTransformer
from train_fn.seeding import torch_stream

TRIALS, REPEATS, ROWS = 32, 5, 1437  # of digits; the other 360 are for validation
AT_ONCE = (1, 4, 8, 16, 32)


@dataclass(frozen=True, kw_only=True)
class Task:
    recipe: Recipe
    train: Examples
    valid: Examples


def tasks(device: torch.device, rows_of_train: int) -> dict[str, Task]:
    digits = load_digits()
    pixels = torch.tensor(digits.data, dtype=torch.float32, device=device) / 16
    classes = torch.tensor(digits.target, device=device)
    ids = (pixels * 16).long()[:, ::2]  # grey levels as 32 tokens
    learned, held = slice(0, rows_of_train), slice(ROWS, None)
    table, texts = (
        [Examples(inputs=inputs[rows], targets=classes[rows]) for rows in (learned, held)] for inputs in (pixels, ids)
    )
    return {
        **{
            f"perceptron, width {width}": Task(
                recipe=Recipe(make_model=lambda width=width: Perceptron(64, 10, width)),
                train=table[0],
                valid=table[1],
            )
            for width in (32, 128, 512)
        },
        **{
            f"transformer, width {width}": Task(
                recipe=Recipe(make_model=lambda width=width: TinyTransformer(17, 32, 10, width)),
                train=texts[0],
                valid=texts[1],
            )
            for width in (16, 64)
        },
    }


def lanes(count: int) -> list[Lane]:
    draw = random.Random(0)
    return [
        Lane(
            learning_rate=10 ** draw.uniform(-4, -2),
            weight_decay=draw.uniform(0, 0.1),
            dropout=draw.uniform(0, 0.3),
            seed=number,
        )
        for number in range(count)
    ]


def fused(task: Task, trials: list[Lane], at_once: int) -> None:
    for _ in fuse(task.recipe, trials, task.train, task.valid, at_once):
        pass


def alone(task: Task, trials: list[Lane]) -> None:
    for lane in trials:
        one_alone(task, lane)


def one_alone(task: Task, lane: Lane) -> None:
    recipe, train, device = task.recipe, task.train, task.train.inputs.device
    with torch_stream(lane.seed, "weights"):
        model = with_torch_dropout(recipe.make_model(), lane.dropout).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lane.learning_rate, weight_decay=lane.weight_decay, fused=True)
    for epoch in range(recipe.max_epochs):
        model.train()
        for rows in torch.from_numpy(order(lane.seed, epoch, len(train.targets))).to(device).split(recipe.batch_size):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(train.inputs[rows]), train.targets[rows])
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), lane.max_grad_norm)
            optimizer.step()
        model.eval()
        with torch.no_grad():
            logits = model(task.valid.inputs)
            nn.functional.cross_entropy(logits, task.valid.targets).item()
            (logits.argmax(1) == task.valid.targets).float().mean().item()


def with_torch_dropout(model: nn.Module, rate: float) -> nn.Module:
    """What one would use alone."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, KeyedDropout):
                setattr(module, name, nn.Dropout(rate))
    return model


def timed(run: Callable[[], None], device: torch.device) -> tuple[float, float]:
    """Wall and CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - wall, time.process_time() - cpu


def measure(device: torch.device, trials: int, repeats: int, rows_of_train: int) -> list[dict[str, Any]]:
    rows = []
    for name, task in tasks(device, rows_of_train).items():
        drawn = lanes(trials)
        ways: dict[str, Callable[[], None]] = {"alone": partial(alone, task, drawn)}
        for at_once in (one for one in AT_ONCE if one <= trials):
            ways[f"{at_once} lanes"] = partial(fused, task, drawn, at_once)
        alone(task, drawn[:1])  # kernels are chosen, memory is taken
        fused(task, drawn[:2], 2)
        found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        for _ in range(repeats):
            for way, run in ways.items():
                found[way].append(timed(run, device))
        peer = found["alone"]
        for way, times in found.items():
            ratios = sorted(before[1] / now[1] for before, now in zip(peer, times, strict=True))
            rows.append(
                {
                    "task": name,
                    "way": way,
                    "per_hour": trials * 3600 / statistics.median(wall for wall, _ in times),
                    "cpu": statistics.median(cpu for _, cpu in times) / trials,
                    "ratio": statistics.median(ratios),
                    "spread": [ratios[0], ratios[-1]],
                }
            )
            print(line(rows[-1]), flush=True)
    return rows


def line(row: dict[str, Any]) -> str:
    low, high = row["spread"]
    return (
        f"| {row['task']} | {row['way']} | {row['per_hour']:,.0f} | {row['cpu'] * 1e3:.0f} | "
        f"{row['ratio']:.2f} ({low:.2f} to {high:.2f}) |"
    )


HEAD = """\
| model | way | trials per hour | CPU ms per trial | CPU time alone over it |
| --- | --- | ---: | ---: | ---: |"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="eight trials on a third of the rows, three times")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(HEAD)
    rows = measure(torch.device("cpu"), *((8, 3, 480) if arguments.quick else (TRIALS, REPEATS, ROWS)))
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

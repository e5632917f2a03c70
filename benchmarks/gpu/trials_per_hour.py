"""Trials per hour on one GPU: 16 trials of a MiniLM and of a BERT-base, each with its own rate, decay and dropout.

    python benchmarks/gpu/trials_per_hour.py [--rehearse] [--json FILE]

One after the other in transformers.Trainer; in 4 and 8 processes that take turns on the GPU, each running our steps;
our steps one after the other; and in lanes of one computation (`fuse_trials`). Times are of a step of each trial,
shared among the trials. Aimed at, lanes over Trainer: 8 times (MiniLM), 5 times (BERT-base); over the best of the
processes 3 and 2 times. Also how well the memory of 2 lanes foretells that of 16.
"""

import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context

import torch
from on_gpu import Row, Scale, our_steps, run, started, timed, tokens, trainer_steps

from train_fn.fused.dropout import seed_of
from train_fn.fused.stack import Stack
from train_fn.fused.steps import take_steps
from train_fn.loop import batches_from

TRIALS, TOKENS, BATCH = 16, 32, 32
PROCESSES = (4, 8)
TARGETS = {"minilm": (8.0, 3.0), "bert-base": (5.0, 2.0)}


def measure(scale: Scale) -> list[Row]:
    return [row for name in TARGETS for row in of_model(scale, name)]


def of_model(scale: Scale, name: str) -> list[Row]:
    """Milliseconds per step and trial."""
    architecture, steps = scale.architecture(name), scale.of(300, 20)
    train = tokens(scale.of(5_000, 200), 20, TOKENS, architecture.vocab_size)
    setup, state = started(scale, architecture, train, batch_size=scale.of(BATCH, 4), max_epochs=100)
    alone = statistics.median(our_steps(setup, state, steps))
    trainer = statistics.median(trainer_steps(scale, architecture, train, steps, scale.of(BATCH, 4)))
    processes = {
        count: side_by_side(scale, name, count, steps) for count in PROCESSES if not scale.rehearsed or count == 4
    }
    few, many = (lanes(scale, name, count) for count in (2, scale.of(TRIALS, 4)))
    fused, quickest = many[0], min(processes.values())
    foretold = few[1] / 2 * scale.of(TRIALS, 4)
    over_trainer, over_processes = TARGETS[name]
    return [
        {"name": f"{name}: Trainer, one after the other", "unit": "ms", "value": trainer},
        {"name": f"{name}: our steps, one after the other", "unit": "ms", "value": alone},
        *({"name": f"{name}: {count} processes", "unit": "ms", "value": one} for count, one in processes.items()),
        {"name": f"{name}: {scale.of(TRIALS, 4)} lanes", "unit": "ms", "value": fused},
        {"name": f"{name}: lanes over Trainer", "unit": "times", "value": trainer / fused, "target": over_trainer},
        {"name": f"{name}: lanes over processes", "unit": "times", "value": quickest / fused, "target": over_processes},
        {"name": f"{name}: memory foretold over taken", "unit": "", "value": foretold / many[1] if many[1] else 0.0},
    ]


def lanes(scale: Scale, name: str, count: int) -> tuple[float, int]:
    """Milliseconds of a step of each lane, and bytes at most."""
    architecture, batch_size, steps = scale.architecture(name), scale.of(BATCH, 4), scale.of(10, 2)
    train = tokens(batch_size * steps, 20, TOKENS, architecture.vocab_size)
    runs = []
    for number in range(count):
        architecture.hidden_dropout_prob = 0.01 * number
        own = {"learning_rate": 1e-5 * (1 + number), "weight_decay": 0.01 * number}
        runs.append(started(scale, architecture, train, batch_size=batch_size, max_epochs=100, fuse_trials=True, **own))
    stack = Stack([state.model for _, state in runs], [seed_of(0)] * count)
    batches = batches_from(runs[0][0], 0)  # all in the same order, as trials of one study are
    if scale.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()

    def train_some() -> None:
        for rows in islice(batches, steps):
            taken = take_steps(stack, runs, [rows] * count)
        torch.stack(taken).sum().item()  # waits for the device

    seconds = timed(train_some, 30, scale.device)
    taken = torch.cuda.max_memory_allocated() if scale.device.type == "cuda" else 0
    return statistics.median(seconds) / steps / count, taken


def side_by_side(scale: Scale, name: str, count: int, steps: int) -> float:
    """Milliseconds of a step of each, of processes that share the device; starts are left out."""
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        begin_at = time.time() + (1 if scale.rehearsed else 60)
        arguments = (str(scale.device), scale.rehearsed, name, steps, begin_at)
        found = [pool.submit(one_of_several, *arguments) for _ in range(count)]
        return statistics.median(one.result() for one in found) / count


def one_of_several(device: str, rehearsed: bool, name: str, steps: int, begin_at: float) -> float:
    scale = Scale(device=torch.device(device), rehearsed=rehearsed)
    architecture = scale.architecture(name)
    train = tokens(scale.of(5_000, 200), 20, TOKENS, architecture.vocab_size)
    setup, state = started(scale, architecture, train, batch_size=scale.of(BATCH, 4), max_epochs=100)
    time.sleep(max(0.0, begin_at - time.time()))
    return statistics.median(our_steps(setup, state, steps))


if __name__ == "__main__":
    run(__doc__, measure)

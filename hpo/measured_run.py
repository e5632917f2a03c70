"""A few steps of one trial in a process of its own, to see what they take: `python -m hpo.measured_run`.

It reads a line of JSON from its input: what to run. It says a line when its first step is over, waits for the next line
of input, then takes steps until its input ends; once it has timed enough of them it says what one takes. So several of
these are timed side by side, and each holds its memory until all are done.

A trainable's module may define `preflight(config)`, a generator that takes one step each time, the largest there are.
Without it the trainable itself runs, its first checkpoint included, and a step is what lies between two reports.
"""

import json
import os
import select
import sys
import tempfile
import time
from collections.abc import Iterator
from io import FileIO
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

from hpo.trainable import build_config, config_class, module_of, resolve
from train_fn.seal import sealed

STEPS, SECONDS = 3, 0.5  # timed at least


def main() -> None:
    said = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what the trainable prints is not for the one who reads
    heard = open(0, "rb", buffering=0, closefd=False)  # unbuffered, for `select`
    order = json.loads(heard.readline())
    try:
        measure(order, heard, said)
    except Exception as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"[:300]}), file=said)


def measure(order: dict[str, Any], heard: FileIO, said: TextIO) -> None:
    os.chdir(order["working_folder"])
    os.environ["OMP_NUM_THREADS"] = str(order["threads"])
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    with sealed("the search"):
        steps = steps_of(order["trainable"], order["config"])
        next(steps, None)
        if torch := sys.modules.get("torch"):
            torch.set_num_threads(order["threads"])
        print(json.dumps({"ready": True}), file=said)
        heard.readline()
        taken, began, told = 0, time.monotonic(), False
        while not select.select([heard], [], [], 0.0)[0]:
            over = next(steps, "over") == "over"
            taken += not over
            seconds = time.monotonic() - began
            if not told and (over or taken >= STEPS and seconds >= SECONDS):
                told = True
                print(json.dumps({"seconds": seconds / taken if taken else None, **peaks()}), file=said)
            if over:
                select.select([heard], [], [])


def steps_of(trainable_name: str, values: dict[str, Any]) -> Iterator[None]:
    trainable = resolve(trainable_name)
    module, config = module_of(trainable), build_config(config_class(trainable), values)
    if hasattr(module, "preflight"):
        yield from module.preflight(config)
        return
    with tempfile.TemporaryDirectory() as folder:
        copied = None  # a checkpoint that is being written, while the next steps are taken
        for report in chain(trainable(config), trainable(config)):  # twice, for a run may have one report alone
            if report.save is not None and not os.listdir(folder):
                report.save(Path(folder))
            copied = copied or (report.snapshot and report.snapshot())
            yield


def peaks() -> dict[str, int]:
    """Bytes: of this process in its life, and of what torch took of the GPU."""
    torch = sys.modules.get("torch")
    cuda = torch.cuda if torch is not None and torch.cuda.is_initialized() else None
    return {"memory": resident_peak(os.getpid()), "gpu_memory": cuda.max_memory_reserved() if cuda else 0}


def resident_peak(process: int) -> int:
    """Not `ru_maxrss`, which a process inherits from the one that started it."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return 1024 * next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


if __name__ == "__main__":
    main()

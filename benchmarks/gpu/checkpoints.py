"""What a checkpoint costs a training run: BERT-base with AdamW (1.3 GB), saved every 50 steps, and taken up again.

    python benchmarks/gpu/checkpoints.py [--rehearse] [--json FILE]

Milliseconds for which the training thread can do nothing else: our copy (written while training goes on), our whole
save, `torch.save` of model and optimizer, and PyTorch's distributed `async_save`. Then from a checkpoint to the first
step. Aimed at: 5 ms for the copy, a tenth of what `async_save` blocks, 200 times less than `torch.save`; 50 ms to go
on.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy
import torch
import torch.distributed.checkpoint as dcp
from on_gpu import Row, Scale, our_steps, run, started, tokens, wait

from train_fn.checkpoint import commit
from train_fn.resuming import load_state
from train_fn.state import captured
from train_fn.step import take_step

SAVES, EVERY = 20, 50  # saves, and steps between two


def measure(scale: Scale) -> list[Row]:
    architecture, batch = scale.architecture("bert-base"), scale.of(32, 4)
    train = tokens(scale.of(20_000, 200), 26, 64, architecture.vocab_size)
    setup, state = started(scale, architecture, train, batch_size=batch, max_epochs=100)
    saves, every = scale.of(SAVES, 2), scale.of(EVERY, 10)

    def everything() -> dict[str, object]:
        return {"model": state.model.state_dict(), "optimizer": state.optimizer.state_dict()}

    def stall(save: Callable[[Path], object]) -> float:
        """Median milliseconds, with training between two saves."""
        found = []
        with tempfile.TemporaryDirectory() as folder:
            for number in range(saves):
                our_steps(setup, state, every)
                wait(scale.device)
                began = time.perf_counter()
                pending = save(Path(folder) / str(number))
                found.append((time.perf_counter() - began) * 1e3)
                if hasattr(pending, "result"):
                    pending.result()
        return statistics.median(found)

    config = {"model": setup.config.model}
    copied = stall(lambda folder: captured(state, setup.processor, None, config, {}).copy())
    whole = stall(lambda folder: commit(folder, captured(state, setup.processor, None, config, {}).save))
    plain = stall(lambda folder: torch.save(everything(), folder))
    asynchronous = stall(lambda folder: dcp.async_save(everything(), checkpoint_id=folder))
    return [
        {"name": "our copy", "unit": "ms", "value": copied, "target": 5.0, "at_least": False},
        {"name": "our whole save", "unit": "ms", "value": whole},
        {"name": "torch.save", "unit": "ms", "value": plain},
        {"name": "async_save", "unit": "ms", "value": asynchronous},
        {"name": "torch.save over our copy", "unit": "times", "value": plain / copied, "target": 200.0},
        {"name": "async_save over our copy", "unit": "times", "value": asynchronous / copied, "target": 10.0},
        {"name": "from a checkpoint to the next step", "unit": "ms", "target": 50.0, "at_least": False}
        | {"value": going_on(scale)},
    ]


def going_on(scale: Scale) -> float:
    """Milliseconds: the files are read, the weights and moments put on the device, one step taken."""
    architecture = scale.architecture("bert-base")
    train = tokens(200, 26, 64, architecture.vocab_size)
    setup, state = started(scale, architecture, train, batch_size=4, max_epochs=100)
    our_steps(setup, state, 20)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        commit(Path(folder) / "one", captured(state, setup.processor, None, asdict(setup.config), {}).save)
        for _ in range(5):
            wait(scale.device)
            began = time.perf_counter()
            load_state(Path(folder) / "one", state, setup.config)
            take_step(setup, state, numpy.arange(4))
            wait(scale.device)
            found.append((time.perf_counter() - began) * 1e3)
    return statistics.median(found)


if __name__ == "__main__":
    run(__doc__, measure)

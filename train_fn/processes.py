"""One run in several processes, one per GPU: each takes its share of every batch, and gradients are added up.

Data parallelism as in torch's DistributedDataParallel (Li et al. 2020, arXiv:2006.15704), but the gradients are summed
once per optimizer step, after accumulation: the parts may be of any number and size, parameters may begin to learn in
mid-run, and the sum over processes is the sum over the batch.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch
from torch import distributed, multiprocessing

from train_fn.config import TrainingConfig
from train_fn.loop import fine_tune
from train_fn.report import Report

# the first process may be kept waiting at a report for as long as somebody thinks about it
PATIENCE = timedelta(days=7)


def fine_tune_together(config: TrainingConfig, resume_from: Path | None = None) -> Iterator[Report]:
    """The reports of a run that `config.num_processes` share; this process is the first of them."""
    with tempfile.TemporaryDirectory(prefix="processes.") as folder:
        meeting_place = f"file://{folder}/meeting"
        spawn = multiprocessing.get_context("spawn")
        others = [
            spawn.Process(
                target=follow, args=(rank, torch.get_num_threads(), meeting_place, config, resume_from), daemon=True
            )
            for rank in range(1, config.num_processes)
        ]
        for process in others:
            process.start()
        try:
            with group(0, meeting_place, config):
                try:
                    yield from fine_tune(config, resume_from)
                finally:
                    end(others)  # first, or they would complain that the group is gone
        finally:
            end(others)  # also where no group came about


def end(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        process.join()


def follow(rank: int, threads: int, meeting_place: str, config: TrainingConfig, resume_from: Path | None) -> None:
    torch.set_num_threads(threads)
    with group(rank, meeting_place, config):
        for _ in fine_tune(config, resume_from):
            pass


@contextmanager
def group(rank: int, meeting_place: str, config: TrainingConfig) -> Iterator[None]:
    distributed.init_process_group(
        "nccl" if torch.cuda.is_available() else "gloo",
        init_method=meeting_place,
        rank=rank,
        world_size=config.num_processes,
        timeout=PATIENCE,
    )
    try:
        yield
    finally:
        distributed.destroy_process_group()

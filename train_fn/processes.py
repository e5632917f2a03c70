"""One run in several processes, one per GPU: each takes its share of every batch, and gradients are added up.

Data parallelism as in torch's DistributedDataParallel (Li et al. 2020, arXiv:2006.15704), but the gradients are summed
once per optimizer step, after accumulation: the parts may be of any number and size, parameters may begin to learn in
mid-run, and the sum over processes is the sum over the batch.
"""

import multiprocessing
import os
import socket
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch
from torch import distributed
from torch.distributed.rendezvous import rendezvous

from train_fn.config import TrainingConfig
from train_fn.errors import OtherProcessError
from train_fn.loop import fine_tune
from train_fn.machines import machines
from train_fn.own_line import own_line
from train_fn.report import Report

# the first process may be kept waiting at a report for as long as somebody thinks about it
PATIENCE = timedelta(days=7)
SECONDS_TO_THE_SAME_END = 30.0  # for all processes of a machine, after the first of them has come to it
RAISED = "raised"  # what went wrong first, for all of them


def fine_tune_together(config: TrainingConfig, resume_from: Path | None = None) -> Iterator[Report]:
    """The reports of a run that `config.num_processes` share; this process is the first of its machine's.

    Where several machines share the run, each begins its own part of the processes, and all come to the same reports.
    """
    here = machines()
    of_each = here.processes_of_each(config.num_processes)
    first = here.rank * of_each
    with tempfile.TemporaryDirectory(prefix="processes.") as folder:
        meeting_place = here.meeting_place or f"file://{folder}/meeting"
        spawn = torch.multiprocessing.get_context("spawn")
        others = [
            spawn.Process(
                target=follow, args=(rank, torch.get_num_threads(), meeting_place, config, resume_from), daemon=True
            )
            for rank in range(first + 1, first + of_each)
        ]
        for process in others:
            process.start()
        try:
            with group(first, meeting_place, config):
                try:
                    yield from fine_tune(config, resume_from)
                    # they may still take part in the last sum, which processes on other machines wait for
                    for process in others:
                        process.join(SECONDS_TO_THE_SAME_END)
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
    threading.Thread(target=end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    with group(rank, meeting_place, config):
        for _ in fine_tune(config, resume_from):
            pass


def end_with_parent() -> None:
    """Also where that is killed: a group that has lost a process waits for ever, with all its memory."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextmanager
def group(rank: int, meeting_place: str, config: TrainingConfig) -> Iterator[None]:
    store, _, _ = next(rendezvous(meeting_place, rank, config.num_processes, timeout=PATIENCE))
    distributed.init_process_group(
        "nccl" if torch.cuda.is_available() else "gloo",
        store=store,
        rank=rank,
        world_size=config.num_processes,
        timeout=PATIENCE,
    )
    try:
        yield
    except Exception as error:
        # whoever fails leaves the group, and all others see no more than a lost connection
        with suppress(RuntimeError):  # the process that keeps the store is gone
            me = f"process {rank} on {socket.gethostname()}: "
            first = store.compare_set(RAISED, "", f"{me}{type(error).__name__}: {error}{own_line(error)}").decode()
            if not first.startswith(me):
                raise OtherProcessError(first) from error
        raise
    finally:
        distributed.destroy_process_group()

"""Several machines share a run as processes of one do; each is told by torchrun's variables where the others are."""

import multiprocessing
import os
import signal
import time
from collections.abc import Mapping

import psutil
import pytest
import torch
from torch import distributed

from tests.mlflow_server import free_port
from train_fn.config import TextConfig
from train_fn.errors import OtherProcessError
from train_fn.processes import follow, group
from train_fn.text import epochs
from train_fn.world import World

SPAWN = multiprocessing.get_context("spawn")


def meeting(size):
    return {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "GROUP_WORLD_SIZE": str(size)}


def machine(variables: Mapping[str, str], config: TextConfig, said) -> None:
    os.environ.update(variables)
    torch.set_num_threads(1)
    for report in epochs(config):
        said.put((os.getpid(), report.metrics))
    said.put((os.getpid(), None))


def test_two_machines_with_two_processes_each_learn_what_four_on_one_do_to_the_bit(toy, steady):
    alone = [steady(report) for report in epochs(toy(num_processes=4))]
    there, queues = meeting(2), [SPAWN.Queue(), SPAWN.Queue()]
    config = toy(num_processes=4)
    machines = [
        SPAWN.Process(target=machine, args=({**there, "GROUP_RANK": str(rank)}, config, queue))
        for rank, queue in enumerate(queues)
    ]
    for one in machines:
        one.start()
    for queue in queues:  # the same reports on both
        said = [queue.get(timeout=240)[1] for _ in range(len(alone) + 1)]
        shared = [{name: value for name, value in metrics.items() if name in alone[0]} for metrics in said[:-1]]
        assert shared == alone and said[-1] is None
    for one in machines:
        one.join()
        assert one.exitcode == 0


def test_a_run_whose_processes_cannot_be_shared_out_over_the_machines_is_refused(toy, monkeypatch):
    for name, value in {**meeting(2), "GROUP_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match="a multiple of the 2 machines that share the run, got 3; try 4"):
        next(epochs(toy(num_processes=3)))


def test_each_process_has_the_gpu_of_its_number_on_its_own_machine(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    devices = [World(rank=rank, size=8, machines=2).device.index for rank in range(8)]
    assert devices == [0, 1, 2, 3, 0, 1, 2, 3]


def process(rank: int, place: str, config: TextConfig) -> None:
    with group(rank, place, config):
        if rank == 1:
            raise FileNotFoundError("there is no toy.csv here")
        distributed.all_reduce(torch.zeros(1))


def test_what_is_told_is_what_one_process_raised_and_not_that_the_others_have_lost_it(toy, tmp_path):
    config, place = toy(num_processes=2), f"file://{tmp_path}/meeting"
    other = SPAWN.Process(target=process, args=(1, place, config))
    other.start()
    with pytest.raises(OtherProcessError, match=r"^process 1 on .*: FileNotFoundError: there is no toy.csv here"):
        process(0, place, config)
    other.join()


def begin_one_that_waits(place: str, config: TextConfig, said) -> None:
    other = SPAWN.Process(target=follow, args=(1, 1, place, config, None), daemon=True)
    other.start()
    said.put(other.pid)
    time.sleep(600)


def test_a_process_whose_run_is_killed_ends_also_where_it_waits_for_another(toy, tmp_path):
    """With gloo it would notice, once they have met; with NCCL it would keep its memory for ever."""
    said = SPAWN.Queue()
    run = SPAWN.Process(target=begin_one_that_waits, args=(f"file://{tmp_path}/meeting", toy(num_processes=2), said))
    run.start()
    other = psutil.Process(said.get(timeout=240))
    os.kill(run.pid, signal.SIGKILL)
    run.join()
    deadline = time.monotonic() + 60
    while other.is_running() and other.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.1)

"""Runs in processes of their own whose steps one process takes: who comes, goes and dies changes nothing for others."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.connection import Client, Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from tests.train_fn.in_lanes import COMPARABLE
from train_fn.config import TextConfig
from train_fn.errors import DataError, ProcessLost
from train_fn.fused import server
from train_fn.fused.client import MEETING_PLACE
from train_fn.fused.stack import Stack
from train_fn.fused.words import Begin, Go, Raised
from train_fn.loop import fine_tune
from train_fn.text import epochs


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("lanes")
    monkeypatch.setenv(MEETING_PLACE, str(folder))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield folder
    for process in servers():
        process.kill()


def servers() -> list[psutil.Process]:
    """Of this test: those that hold its socket."""
    mine = os.environ[MEETING_PLACE]
    found = [one for one in psutil.process_iter(["cmdline"]) if "train_fn.fused" in (one.info["cmdline"] or [])]
    return [one for one in found if any(mine in connection.laddr for connection in one.net_connections("unix"))]


class Run:
    """Another process that goes from report to report as it is told to."""

    def __init__(self, config: TextConfig, folder: Path | None = None) -> None:
        context = get_context("spawn")
        self.ear, theirs = context.Pipe()
        self.process: SpawnProcess = context.Process(target=follow, args=(theirs, config, folder), daemon=True)
        self.process.start()
        theirs.close()

    def go(self) -> float | str | None:
        """Loss of the next report; what was raised; None at the end."""
        self.ear.send("go")
        return self.ear.recv()


def follow(ear: Connection, config: TextConfig, folder: Path | None) -> None:
    assert ear.recv() == "go"
    try:
        for report in epochs(config):
            if folder is not None:
                folder.mkdir()
                report.save(folder)
                folder = None
            ear.send(report.metrics["loss"])
            assert ear.recv() == "go"
        ear.send(None)
    except Exception as error:
        ear.send(f"{type(error).__name__}: {error}")


@pytest.fixture
def configs(toy: Callable[..., TextConfig]) -> list[TextConfig]:
    return [toy(**COMPARABLE, fuse_trials=True, learning_rate=rate) for rate in (1e-3, 2e-3, 5e-3)]


def alone(config: TextConfig) -> list[float]:
    return [report.metrics["loss"] for report in fine_tune(replace(config, fuse_trials=False))]


def test_each_process_hears_of_its_own_run(place: Path, configs: list[TextConfig], tmp_path: Path) -> None:
    runs = [Run(config, tmp_path / str(number)) for number, config in enumerate(configs)]
    for run in runs:
        run.ear.send("go")
    first = [run.ear.recv() for run in runs]
    assert len(servers()) == 1
    second = [run.go() for run in runs]
    for config, one, two in zip(configs, first, second, strict=True):
        assert [one, two] == pytest.approx(alone(config), abs=1e-4)
    assert [run.go() for run in runs] == [None] * 3
    for number, config in enumerate(configs):  # what was saved goes on as if it had never stopped
        [rest] = epochs(config, tmp_path / str(number))
        assert rest.metrics["loss"] == pytest.approx(second[number], abs=1e-4)


def test_a_process_that_is_killed_leaves_its_lane(place: Path, configs: list[TextConfig]) -> None:
    doomed, other = Run(configs[0]), Run(configs[1])
    assert isinstance(doomed.go(), float)
    first = other.go()
    [process] = servers()
    lanes = len(process.net_connections("unix"))
    doomed.process.kill()
    wait_for(lambda: len(process.net_connections("unix")) < lanes)
    assert [first, other.go()] == pytest.approx(alone(configs[1]), abs=1e-4)
    assert other.go() is None


def test_one_that_keeps_silent_holds_nobody_up(place: Path, configs: list[TextConfig]) -> None:
    silent, other = Run(configs[0]), Run(configs[1])
    assert isinstance(silent.go(), float)
    assert [other.go(), other.go()] == pytest.approx(alone(configs[1]), abs=1e-4)
    assert isinstance(silent.go(), float), "and may go on whenever it likes"


def test_closing_the_generator_frees_the_lane(place: Path, configs: list[TextConfig]) -> None:
    run = epochs(configs[0])
    next(run)
    [process] = servers()
    lanes = len(process.net_connections("unix"))
    run.close()
    wait_for(lambda: len(process.net_connections("unix")) < lanes)


def test_a_killed_server_is_told_apart_from_a_fault_and_the_next_run_gets_a_new_one(
    place: Path, configs: list[TextConfig]
) -> None:
    run = epochs(configs[0])
    next(run)
    [process] = servers()
    process.kill()
    with pytest.raises(ProcessLost, match="the process of its lane died"):
        next(run)
    assert [report.metrics["loss"] for report in epochs(configs[0])] == pytest.approx(alone(configs[0]), abs=1e-4)


def test_a_server_that_cannot_start_says_why_and_the_next_one_may(
    place: Path, configs: list[TextConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('libcudart.so.12:\\nno such file')")
    with monkeypatch.context() as broken:
        broken.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
        for _ in range(2):
            with pytest.raises(ProcessLost) as lost:
                next(epochs(configs[0]))
            said = "the process of its lane died: ImportError: libcudart.so.12: no such file"
            assert (str(lost.value), lost.value.counts) == (said, True)
    run = epochs(configs[0])
    next(run)
    [process] = servers()
    process.kill()
    with pytest.raises(ProcessLost, match="died$"):
        next(run)


def test_what_is_wrong_with_one_is_told_to_that_one(place: Path, configs: list[TextConfig]) -> None:
    other = Run(configs[1])
    first = other.go()
    nowhere = replace(configs[0], data=replace(configs[0].data, file="nowhere.csv"))
    with pytest.raises(DataError, match="nowhere.csv"):
        next(epochs(nowhere))
    assert [first, other.go()] == pytest.approx(alone(configs[1]), abs=1e-4)


@dataclass
class Here:
    """A server in this process, and who has connected to it."""

    server: server.Server
    place: str

    def begin(self, config: TextConfig) -> Connection:
        guest = Client(self.place)
        guest.send(Begin(config=config, resume_from=None, threads=1))
        self.server.hear(10), self.server.hear(10)  # that somebody has come, and what is said
        return guest


@pytest.fixture
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    place = str(tmp_path_factory.mktemp("here") / "socket")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(place)
        listening.listen()
        yield Here(server.Server(listening), place)


def test_the_process_ends_when_it_has_been_alone_for_a_while(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """And whoever comes just then is served, by it or by another."""
    monkeypatch.setattr(server, "ALONE_FOR", 0.2)
    one = here.server
    hear = one.hear
    with socket.socket(socket.AF_UNIX) as late:

        def hear_late(patience: float) -> bool:
            heard = hear(patience)
            if not heard:
                late.connect(here.place)  # after it has decided to end
                monkeypatch.setattr(one, "hear", hear_and_leave)
            return heard

        def hear_and_leave(patience: float) -> bool:
            heard = hear(patience)
            late.close()
            return heard

        monkeypatch.setattr(one, "hear", hear_late)
        one.serve()
    assert not Path(here.place).exists() and not one.guests


def test_a_lane_for_which_there_is_no_room_waits_until_another_is_free(
    here: Here, monkeypatch: pytest.MonkeyPatch, configs: list[TextConfig]
) -> None:
    init = Stack.__init__

    def with_room_for_two(self: Stack, models: list[Any], seeds: list[int]) -> None:
        init(self, models, seeds)
        if len(models) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(Stack, "__init__", with_room_for_two)
    one, guests = here.server, [here.begin(config) for config in configs]
    assert [guest.lane is not None for guest in one.guests.values()] == [True, True, False]
    one.train()
    first = [guest.recv() for guest in guests[:2]]
    assert not guests[2].poll(), "it has not been told of any fault"
    guests[0].close()
    one.hear(10)
    guests[1].send(Go())
    one.hear(10)
    assert [guest.lane is not None and guest.ready for guest in one.guests.values()] == [True, True]
    one.train()
    losses = [first[1].metrics["loss"], guests[1].recv().metrics["loss"]]
    assert losses == pytest.approx(alone(configs[1]), abs=1e-4), "and the others did not notice"
    assert guests[2].recv().metrics["loss"] == pytest.approx(alone(configs[2])[0], abs=1e-4)
    for guest in guests[1:]:
        guest.close()
    one.attend_to_all()


def test_a_lane_that_has_waited_for_long_is_given_back(
    here: Here, monkeypatch: pytest.MonkeyPatch, configs: list[TextConfig]
) -> None:
    monkeypatch.setattr(server, "LONGEST_WAIT", -1.0)
    one = here.server
    one.most = 1
    guests = [here.begin(configs[0]) for _ in range(2)]
    one.send_back()
    said = guests[1].recv()
    assert isinstance(said.error, ProcessLost) and not said.error.counts
    assert not guests[0].poll()
    for guest in guests:
        guest.close()
    one.attend_to_all()


def test_lanes_that_have_no_room_together_begin_anew_in_smaller_numbers(
    here: Here, monkeypatch: pytest.MonkeyPatch, configs: list[TextConfig]
) -> None:
    outputs = Stack.outputs

    def for_one(self: Stack, weights: Any, buffers: Any, inputs: Any) -> torch.Tensor:
        if len(inputs["input_ids"]) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return outputs(self, weights, buffers, inputs)

    monkeypatch.setattr(Stack, "outputs", for_one)
    one = here.server
    for expected in ([ProcessLost, ProcessLost], [None]):
        guests = [here.begin(configs[0]) for _ in range(2)]
        one.train()
        said = [guest.recv() for guest in guests if guest.poll()]
        assert [type(word.error) if isinstance(word, Raised) else None for word in said] == expected
        for guest in guests:
            guest.close()
            one.hear(10)
    assert not one.guests


def test_a_lane_that_has_no_room_all_alone_is_told_so(
    here: Here, monkeypatch: pytest.MonkeyPatch, configs: list[TextConfig]
) -> None:
    def no_room(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 200 GiB")

    monkeypatch.setattr(Stack, "__init__", no_room)
    one = here.server
    with here.begin(configs[0]) as guest:
        assert isinstance(guest.recv().error, torch.OutOfMemoryError)
    one.attend_to_all()
    assert not one.guests and not one.lanes.there


def test_a_process_that_asks_for_steps_needs_no_torch() -> None:
    asked = subprocess.run(
        [sys.executable, "-c", "import sys, train_fn.text, train_fn.running; print('torch' in sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert asked.stdout.strip() == "False"


def test_ctrl_c_at_the_terminal_is_not_for_the_server(place: Path, configs: list[TextConfig]) -> None:
    run = epochs(configs[0])
    next(run)
    [process] = servers()
    os.kill(process.pid, signal.SIGINT)
    assert os.getsid(process.pid) == process.pid, "and not in the terminal's session"
    next(run)
    run.close()


def wait_for(happens: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not happens():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_fault_of_the_device_ends_the_process_which_could_do_nothing_there_any_more(
    here: Here, monkeypatch: pytest.MonkeyPatch, configs: list[TextConfig]
) -> None:
    def broken(*_: Any) -> torch.Tensor:
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(Stack, "outputs", broken)
    with here.begin(configs[0]), pytest.raises(torch.AcceleratorError, match="device-side assert"):
        here.server.train()

"""What a trial takes, measured before the first one: memory at the extremes of the space, steps alone and side by side.

Each measurement is a process of its own (hpo/measured_run.py), with a worker's environment. First the ends of every
parameter, alone; then those that memory depends on together. A trainable's module may name them, as
`MEMORY = ("model", "batch_size")`, so that no others are tried. At the point that needs least, 1, 2, 4 ... side by
side, as long as all together take enough more steps per second.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import product
from typing import Any

from hpo import machine
from hpo.domains import Value
from hpo.measured_run import resident_peak
from hpo.packing import Device, Need, Pace, Packing, best, cores_of_trial, doublings, most_at_once, size
from hpo.space import Params, Space, corner
from hpo.study import Resources, Study
from hpo.trainable import module_of, resolved

PATIENCE = 120.0  # seconds for a start with its first step, and again for the steps that are timed
SECONDS = 300.0  # after which no further combination is measured; a trial then gets what the largest took
MOST_POINTS = 16  # combinations
# of memory between two points, below which a parameter does not matter: a run repeated differs by about as much
LEAST_SHARE, LEAST_BYTES = 0.03, 16 * 2**20
KEPT_FREE, GPU_KEPT_FREE = 0.1, 0.05  # of all memory; Ray ends workers where more than 95 % are in use
WORKER = 175 * 2**20  # bytes that Ray takes in a worker, as measured with 2.60; the processes here do without it
EVERY = 0.2  # seconds between two looks at whether the study is to stop


@dataclass(frozen=True, kw_only=True)
class Taken:
    """By one trial; memory in bytes, `seconds` of a step, None where none came to its end in time."""

    memory: int = 0
    gpu_memory: int = 0
    seconds: float | None = None
    error: str = ""

    @property
    def size(self) -> tuple[int, int]:
        return self.gpu_memory, self.memory


@dataclass(frozen=True, kw_only=True)
class Point:
    """Of the space, measured: `beside` another, what the parameter `of` being at an end of its range changes."""

    params: dict[str, Value]
    taken: Taken
    of: str = ""
    beside: tuple[int, int] = (0, 0)  # size of the other

    @property
    def size(self) -> tuple[int, int]:
        return self.taken.size


class Unmeasured(Exception):
    """The first point gave nothing to go by."""


def device_of(resources: Resources, cores: int, gpus: int) -> Device:
    """What trials share, and how much of it is free."""
    free, total = machine.memory()
    memory = max(1, int(free - KEPT_FREE * total))
    if not gpus or resources.gpu == 0:
        return Device(count=1, cores=cores, memory=memory)
    of_gpus = [machine.gpu_memory(number) for number in range(gpus)]
    gpu_memory = max(1, min(int(free - GPU_KEPT_FREE * total) for free, total in of_gpus))
    return Device(count=gpus, cores=max(1, cores // gpus), memory=memory // gpus, gpu_memory=gpu_memory)


def preflight(
    study: Study, device: Device, environment: Mapping[str, str], stopped: Callable[[], bool] = lambda: False
) -> Packing:
    """What trials take on such a device; where it cannot be measured each has one to itself.

    KeyboardInterrupt as soon as `stopped` says so.
    """
    cpu = None if study.resources.cpu == "auto" else cores_of_trial(study.resources)
    gpu = None if device.gpu_memory else 0.0

    def side_by_side(params: Params, at_once: int) -> list[Taken]:
        order = {
            "trainable": study.trainable,
            "config": resolved(study.config, params),
            "threads": max(1, int(cpu or device.cores // at_once)),
            "working_folder": os.getcwd(),
        }
        return measured([order] * at_once, {**environment, **visible(device)}, stopped)

    try:
        points = list(measured_points(study, lambda params: side_by_side(params, 1)[0]))
    except Unmeasured as error:
        return Packing(device=device, at_once=1, cpu=cpu, gpu=gpu, failed=str(error))
    needs = needs_at(points)
    least = min(points, key=lambda point: point.size)
    most = most_at_once(device, min(needs, key=size), cpu, study.search.trials)
    paces = paces_up_to(most, least.taken, lambda at_once: side_by_side(least.params, at_once))
    at_once = best(paces).at_once if paces else most
    return Packing(device=device, at_once=at_once, cpu=cpu, gpu=gpu, needs=needs, paces=tuple(paces))


def measured_points(study: Study, alone: Callable[[Params], Taken]) -> Iterator[Point]:
    """The ends of each parameter, then combinations of those that matter; only what the space allows.

    Of those that fail none but the first counts: their trials will fail too, and say why. Unmeasured if that one does.
    """
    space, until = study.space, time.monotonic() + SECONDS
    base = corner(space, {})
    first = alone(base) if base is not None else Taken(error="no configuration was found that meets all constraints")
    if base is None or first.error:
        raise Unmeasured(first.error)
    here = Point(params=base, taken=first)
    points = [here]
    named = getattr(module_of(study.load_trainable()), "MEMORY", space.varied)
    names = [name for name in space.varied if name in named]

    def add(params: dict[str, Value] | None, of: str = "") -> None:
        if params is None or params in [point.params for point in points]:
            return
        taken = alone(params)
        if not taken.error:
            points.append(Point(params=params, taken=taken, of=of, beside=here.size))

    for name in names:  # upwards: from here on each parameter is where it takes most
        for end in space[name].domain.ends():
            add(corner(space, {**here.params, name: end}), of=name)
        here = max(points, key=lambda point: point.size)
    for name in names:  # what a small trial hardly feels may matter to the largest
        if name not in weighing(points):
            for end in space[name].domain.ends():
                add(corner(space, {**here.params, name: end}), of=name)
    for params in combinations(space, points):
        if time.monotonic() < until:
            add(params)
    yield from points


def weighing(points: Sequence[Point]) -> list[str]:
    """The parameters that memory depends on."""
    found = {
        point.of: None
        for point in points
        for now, then in zip(point.size, point.beside, strict=True)
        if point.of and abs(now - then) > max(LEAST_BYTES, LEAST_SHARE * then)
    }
    return list(found)


def combinations(space: Space, points: Sequence[Point]) -> list[dict[str, Value]]:
    """Ends and middles of the parameters that memory depends on, with all others where they take most.

    None where there would be too many: a trial then gets what the next larger of those measured took.
    """
    names, most = weighing(points), max(points, key=lambda point: point.size).params
    grid = [dict(zip(names, values, strict=True)) for values in product(*(levels(space, name) for name in names))]
    if len(grid) > MOST_POINTS:
        return []
    found = [corner(space, {**most, **values}) for values in grid]
    return [params for params in found if params is not None]


def levels(space: Space, name: str) -> list[Value]:
    domain = space[name].domain
    middle = () if domain.cells == len(domain.ends()) else (domain.at(0.5),)
    return list(dict.fromkeys([*domain.ends(), *middle]))


def needs_at(points: Sequence[Point]) -> tuple[Need, ...]:
    """Of points that differ only in what memory does not depend on, the one that took most."""
    names = weighing(points)
    most: dict[str, Need] = {}
    for point in sorted(points, key=lambda point: point.size):
        params, taken = {name: point.params[name] for name in names if name in point.params}, point.taken
        most[json.dumps(params)] = Need(
            params=params, memory=taken.memory, gpu_memory=taken.gpu_memory, seconds=taken.seconds
        )
    return tuple(most.values())


def paces_up_to(most: int, alone: Taken, side_by_side: Callable[[int], list[Taken]]) -> list[Pace]:
    """Of 1, 2, 4 ... trials at once, until it no longer pays or one of them fails; none where steps take too long."""
    if alone.seconds is None:
        return []
    paces = [Pace(at_once=1, seconds=alone.seconds)]
    for at_once in doublings(most)[1:]:
        seconds = [one.seconds for one in side_by_side(at_once)]
        if None in seconds:
            break
        paces.append(Pace(at_once=at_once, seconds=max(one for one in seconds if one)))
        if best(paces) is not paces[-1]:
            break
    return paces


def visible(device: Device) -> dict[str, str]:
    """The first GPU alone; none where trials train on the CPU."""
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    return {"CUDA_VISIBLE_DEVICES": first if device.gpu_memory else ""}


def measured(
    orders: Sequence[Mapping[str, Any]], environment: Mapping[str, str], stopped: Callable[[], bool]
) -> list[Taken]:
    """All side by side: none is timed before every one has taken its first step, and none ends before all are timed."""
    of_gpu = bool(environment.get("CUDA_VISIBLE_DEVICES"))
    free = machine.gpu_memory(0)[0] if of_gpu else 0
    with started(len(orders), environment) as processes:
        for process, order in zip(processes, orders, strict=True):
            tell(process, json.dumps(order))
        until = time.monotonic() + PATIENCE
        ready = [answer(process, until, stopped) for process in processes]
        for process in processes:
            tell(process, "go")
        until = time.monotonic() + PATIENCE
        said = [
            answer(process, until, stopped) if first.get("ready") else first
            for process, first in zip(processes, ready, strict=True)
        ]
        # beside what torch has reserved, a context of several hundred MB that it does not count
        context_and_all = (free - machine.gpu_memory(0)[0]) // len(orders) if of_gpu else 0
        return [taken(one, process, context_and_all) for one, process in zip(said, processes, strict=True)]


def taken(said: Mapping[str, Any], process: "subprocess.Popen[str]", gpu_memory: int) -> Taken:
    """Of a process that has not spoken in time what it took up to now."""
    if "error" in said:
        return Taken(error=said["error"])
    return Taken(
        memory=WORKER + (said.get("memory") or resident_peak(process.pid)),
        gpu_memory=max(said.get("gpu_memory", 0), gpu_memory),
        seconds=said.get("seconds"),
    )


@contextmanager
def started(count: int, environment: Mapping[str, str]) -> Iterator[list["subprocess.Popen[str]"]]:
    """In sessions of their own, so that Ctrl-C is not theirs; at the end none is left, nor what it started."""
    command = [sys.executable, "-m", "hpo.measured_run"]
    pipe: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = []
    try:
        for _ in range(count):
            processes.append(
                subprocess.Popen(command, env={**os.environ, **environment}, start_new_session=True, **pipe)
            )
        yield processes
    finally:
        for process in processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def tell(process: "subprocess.Popen[str]", line: str) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # it has ended, and its answer says so
        process.stdin.write(line + "\n")
        process.stdin.flush()


def answer(process: "subprocess.Popen[str]", until: float, stopped: Callable[[], bool]) -> dict[str, Any]:
    """Its next line; empty where none came in time."""
    assert process.stdout is not None
    while time.monotonic() < until:
        if stopped():
            raise KeyboardInterrupt
        if select.select([process.stdout], [], [], EVERY)[0]:
            line = process.stdout.readline()
            found: dict[str, Any] = json.loads(line) if line else {"error": "the process died, perhaps of its memory"}
            return found
    return {}

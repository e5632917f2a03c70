"""How many trials share a device, and what each of them gets, from what trials were measured to take.

A device is a GPU with its part of the machine's cores and memory, or the whole machine where trials train on the CPU.
Each trial gets a part of it: 1 / `at_once`, or more where it needs more memory. Parts on one device add up to at most
1, so that memory is never promised twice.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from hpo.domains import Value
from hpo.study import Resources

Params = Mapping[str, Value]

# Of what was measured: a trial's memory differs a little from run to run, and a warm worker's with what it did before.
SLACK = 1.1
LEAST_GAIN = 1.1  # times as many steps per second of all together, or it does not pay to train more side by side
GIB = 2**30
EXACT = 1e-9  # rounding of parts: three times a third is 1


@dataclass(frozen=True, kw_only=True)
class Share:
    """What one trial gets."""

    cpu: float  # cores, and threads to train with; below 1 one thread
    gpu: float  # 0.25: four trials on one GPU


@dataclass(frozen=True, kw_only=True)
class Device:
    """One of `count` alike; memory in bytes, free for trials."""

    count: int
    cores: int
    memory: int
    gpu_memory: int = 0  # 0: trials train on the CPU


@dataclass(frozen=True, kw_only=True)
class Need:
    """Peak bytes of a trial at one point of the space; `params` are those that memory depends on."""

    params: Params
    memory: int
    gpu_memory: int = 0
    seconds: float | None = None  # of a step, alone; None where none came to its end in time

    def part(self, device: Device) -> float:
        of_gpu = self.gpu_memory / device.gpu_memory if device.gpu_memory else 0.0
        return min(1.0, SLACK * max(self.memory / device.memory, of_gpu))


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Of trials side by side on one device, at the point that needs least memory."""

    at_once: int
    seconds: float  # of a step of each


@dataclass(frozen=True, kw_only=True)
class Packing:
    """`cpu` and `gpu` are what the study file gives each trial; None: what its part of the device comes to."""

    device: Device
    at_once: int  # trials on one device, of those that need least
    cpu: float | None = None
    gpu: float | None = None
    needs: tuple[Need, ...] = ()  # as measured; none where nothing was
    paces: tuple[Pace, ...] = ()
    failed: str = ""  # why it could not be measured
    nodes: int = 1  # machines of each trial, on every one of which it has such a share

    def part(self, params: Params) -> float:
        """Of a device."""
        return max(1 / max(1, self.at_once), need.part(self.device) if (need := needed(self.needs, params)) else 0.0)

    def share(self, params: Params) -> Share:
        # rounded down: what fits by its parts fits by cores and by Ray's ten-thousandths of a GPU, too
        part = self.part(params) + EXACT
        cores = self.device.cores
        if part <= 1 - 1 / max(1, self.at_once) + 2 * EXACT:  # else nobody fits beside it
            cores = max(1, math.floor(part * cores))
        cpu: float = cores if self.cpu is None else self.cpu
        gpu = math.floor(part * 1e4) / 1e4 if self.gpu is None and self.device.gpu_memory else self.gpu or 0.0
        return Share(cpu=cpu, gpu=gpu)

    def fits(self, params: Params, running: Iterable[Params]) -> bool:
        """Beside those that run, each on the first device with room for it; all alike, whoever starts them counts."""
        if not self.needs:
            return True
        free = [1.0] * self.device.count
        for one in [*running, params]:
            part = self.part(one)
            place = next((index for index, room in enumerate(free) if part <= room + EXACT), None)
            if place is None:
                return False
            free[place] -= part
        return True

    @property
    def most(self) -> int:
        """Trials on all devices."""
        return self.device.count * self.at_once

    def as_event(self) -> dict[str, Any]:
        """What the ledger keeps."""
        return asdict(self)

    def line(self) -> str:
        """`2 trials at once: a trial takes up to 0.9 GiB; a step 0.21 s alone, 0.25 s 2 at once`."""
        where = "per GPU" if self.device.gpu_memory else "at once"
        said = f"{self.at_once} {'trial' if self.at_once == 1 else 'trials'} {where}"
        if self.needs:
            bytes_each = [need.gpu_memory or need.memory for need in self.needs]
            least, most = min(bytes_each) / GIB, max(bytes_each) / GIB
            takes = f"{least:.1f} to {most:.1f}" if most - least >= 0.1 else f"up to {most:.1f}"
            there = (self.device.gpu_memory or self.device.memory) / GIB
            said += f": a trial takes {takes} of {there:.1f} GiB free"
        if self.paces:
            alone, *more = self.paces
            steps = [f"{alone.seconds:.3g} s alone", *(f"{pace.seconds:.3g} s {pace.at_once} at once" for pace in more)]
            said += f"; a step of the smallest {', '.join(steps)}"
        return f"{said}; not measured: {self.failed}" if self.failed else said


def wants_measuring(resources: Resources, gpus: float) -> bool:
    """Whether `auto` leaves open how many trials share a device."""
    return resources.gpu == "auto" if gpus and resources.gpu != 0 else resources.cpu == "auto"


def given(resources: Resources, cores: int, gpus: float) -> Packing:
    """Of a study file that says it all, or of `auto` where nothing is measured: a whole GPU each, or one core."""
    machine = Device(count=1, cores=cores, memory=0)
    return Packing(
        device=machine,
        at_once=at_once(resources, cores, gpus),
        cpu=None if resources.cpu == "auto" else cores_of_trial(resources),
        gpu=gpus_of_trial(resources, gpus),
        nodes=resources.nodes,
    )


def at_once(resources: Resources, cores: float, gpus: float) -> int:
    """Trials that run side by side on so much, as far as the study file says; 0 where there is no room for one."""
    return side_by_side(Share(cpu=cores_of_trial(resources), gpu=gpus_of_trial(resources, gpus)), cores, gpus)


def side_by_side(share: Share, cores: float, gpus: float) -> int:
    """Trials with such a share that one machine has room for."""
    rooms = [cores / share.cpu + EXACT]
    if gpu := share.gpu:
        rooms.append(gpus // gpu if gpu >= 1 else gpus * (1 // gpu))  # a share never spans two GPUs
    return int(min(rooms))


def spread(rooms: Sequence[int], nodes: int) -> int:
    """Trials that run at once, each on so many different machines, where each machine has room for so many of them.

    m trials fit if each machine takes part in as many as it has room for, but in none twice, and that is enough.
    """
    most = sum(rooms) // nodes
    return next(m for m in range(most, -1, -1) if sum(min(room, m) for room in rooms) >= nodes * m)


def cores_of_trial(resources: Resources) -> float:
    """Of `auto` the least there may be: how many it comes to is measured later."""
    return 1 if resources.cpu == "auto" else float(resources.cpu)


def gpus_of_trial(resources: Resources, gpus: float) -> float:
    if resources.gpu == "auto":
        return 1.0 if gpus else 0.0
    return float(resources.gpu)


def most_at_once(device: Device, need: Need, cpu: float | None, trials: int) -> int:
    """Trials that one device has room for, all of them with this need."""
    rooms = 1 / need.part(device), device.cores / (cpu or 1), -(-trials // device.count)
    return max(1, math.floor(min(rooms) + EXACT))


def doublings(most: int) -> list[int]:
    """1, 2, 4 ... and `most` itself: how many side by side are measured."""
    return [*(2**power for power in range(most.bit_length()) if 2**power < most), most]


def pays(before: Pace, more: Pace) -> bool:
    """Whether all together take enough more steps per second."""
    return more.at_once / more.seconds >= LEAST_GAIN * before.at_once / before.seconds


def best(paces: Sequence[Pace]) -> Pace:
    """The last that paid, of ever more side by side."""
    found = paces[0]
    for more in paces[1:]:
        if not pays(found, more):
            break
        found = more
    return found


def needed(needs: Sequence[Need], params: Params) -> Need | None:
    """The least measured need that no parameter of the configuration goes beyond; where there is none, the largest."""
    above = [need for need in needs if all(_covers(needs, name, need.params[name], params) for name in need.params)]
    return min(above, key=size) if above else max(needs, key=size, default=None)


def size(need: Need) -> tuple[int, int]:
    return need.gpu_memory, need.memory


def _covers(needs: Sequence[Need], name: str, measured: Value, params: Params) -> bool:
    value = params.get(name, measured)  # where it does not apply it takes nothing
    if not _number(measured) or not _number(value):
        return measured == value
    assert isinstance(measured, (int, float)) and isinstance(value, (int, float))
    at = {need.params[name]: size(need) for need in sorted(needs, key=size) if name in need.params}
    rises = at[max(at, key=float)] >= at[min(at, key=float)]  # type: ignore[arg-type]
    return measured >= value if rises else measured <= value


def _number(value: Value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def from_event(payload: Mapping[str, Any], device: Device | None = None) -> Packing | None:
    """What was measured before, for such a device; None where it was another one, of which the paces say nothing."""
    then = Device(**payload["device"])
    device = device or then
    if (then.count, then.cores, bool(then.gpu_memory)) != (device.count, device.cores, bool(device.gpu_memory)):
        return None
    needs = tuple(Need(**need) for need in payload["needs"])
    paces = tuple(Pace(**pace) for pace in payload["paces"])
    return replace(Packing(**{**payload, "device": device}), needs=needs, paces=paces)  # with what is free now


def told(payload: Mapping[str, Any]) -> str:
    """In words."""
    packing = from_event(payload)
    return packing.line() if packing else ""


def forecast(resources: Resources, gpus: float) -> str:
    """What is known before the start; empty where the study file says it all."""
    return "how many trials share a device will be measured" if wants_measuring(resources, gpus) else ""

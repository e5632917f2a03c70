"""What the machine has, and how full it is."""

import os
import socket
from functools import cache
from pathlib import Path
from typing import Any

import psutil

GIB = 2**30
CGROUP = Path("/sys/fs/cgroup")


def memory() -> tuple[int, int]:
    """Bytes: free, and all there are, for this machine or the container that this runs in."""
    of_machine = psutil.virtual_memory()
    limit, used = (_number(CGROUP / name) for name in ("memory.max", "memory.current"))
    if limit is None or used is None or limit >= of_machine.total:
        return of_machine.available, of_machine.total
    return min(of_machine.available, limit - used + _cached()), limit


def gpus() -> int:
    """Of this machine, without a library that takes seconds to import."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    there = len(list(Path("/dev").glob("nvidia[0-9]*")))
    return there if visible is None else min(there, len([one for one in visible.split(",") if one.strip()]))


def gpu_memory(number: int) -> tuple[int, int]:
    """Bytes of a visible GPU, by its place: free, and all there are; none where the driver does not answer."""
    driver = _driver()
    if driver is None:
        return 0, 0
    try:
        of_gpu = driver.nvmlDeviceGetMemoryInfo(_handle(driver, number))
    except driver.NVMLError:
        return 0, 0
    return of_gpu.free, of_gpu.total


def interface_of(address: str) -> str | None:
    """Name of the network interface that has it."""
    known = psutil.net_if_addrs().items()
    of_ip = (socket.AF_INET, socket.AF_INET6)
    return next((name for name, of in known if any(one.family in of_ip and one.address == address for one in of)), None)


def usage() -> str:
    """`CPU 98 %, 3.1 / 23.4 GiB; GPU 0: 87 %, 12.0 / 40.0 GiB`: since the call before, of all programs."""
    memory = psutil.virtual_memory()
    used = memory.total - memory.available
    parts = [f"CPU {psutil.cpu_percent():.0f} %, {used / GIB:.1f} / {memory.total / GIB:.1f} GiB"]
    return "; ".join([*parts, *(_gpu(number) for number in range(gpus() if _driver() else 0))])


@cache
def _driver() -> Any:
    """NVIDIA's library; None where there is no GPU, or no driver that answers."""
    if not gpus():
        return None
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


def _handle(driver: Any, number: int) -> Any:
    """NVML numbers all GPUs of the machine, whichever are visible."""
    visible = [one.strip() for one in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if one.strip()]
    name = visible[number] if number < len(visible) else str(number)
    return driver.nvmlDeviceGetHandleByIndex(int(name)) if name.isdigit() else driver.nvmlDeviceGetHandleByUUID(name)


def _cached() -> int:
    """Bytes of files that the container's limit counts, and that give way."""
    words = (line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
    return next((int(word[1]) for word in words if word[0] == "inactive_file"), 0)


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):  # no such file, or `max`
        return None


def _gpu(number: int) -> str:
    driver = _driver()
    try:
        handle = _handle(driver, number)
        busy, memory = driver.nvmlDeviceGetUtilizationRates(handle).gpu, driver.nvmlDeviceGetMemoryInfo(handle)
    except driver.NVMLError as error:
        return f"GPU {number}: {error}"
    return f"GPU {number}: {busy} %, {memory.used / GIB:.1f} / {memory.total / GIB:.1f} GiB"

"""GPUs, their driver, and whether the installed torch can use them."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from hpo.doctor.finding import Finding, Orders, fault, ok, warning
from hpo.machine import gpus

ASKED = "name,driver_version,memory.used,memory.total"
LOOK = [sys.executable, "-m", "train_fn.gpus"]  # a process of its own: a broken driver may crash it, or never answer
SECONDS = 120.0


def gpu(orders: Orders) -> Iterator[Finding]:
    """Torch is imported only where there is a GPU."""
    if not gpus():
        yield ok("GPU", "none is visible here; trials train on the CPU")
        return
    yield from _driver()
    yield _torch()


def _driver() -> Iterator[Finding]:
    if shutil.which("nvidia-smi") is None:
        yield warning("GPU", "there is no nvidia-smi to ask for driver and memory")
        return
    try:
        asked = subprocess.run(
            ["nvidia-smi", f"--query-gpu={ASKED}", "--format=csv,noheader,nounits"],
            capture_output=True, text=True, timeout=SECONDS, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        yield fault("GPU", f"nvidia-smi does not answer ({error}); is the driver loaded? a restart may help")
        return
    for line in asked.stdout.splitlines():
        name, driver, used, total = (cell.strip() for cell in line.split(","))
        says = f"{name}, driver {driver}, {int(used):,} of {int(total):,} MiB in use"
        busy = int(used) > int(total) / 10
        yield warning("GPU", f"{says}; `nvidia-smi` shows by whom") if busy else ok("GPU", says)


def _torch() -> Finding:
    try:
        build = version("torch")
    except PackageNotFoundError:
        return fault("GPU", "torch is not installed; `pip install torch`")
    if build.endswith("+cpu"):
        return fault("GPU", f"torch {build} is built without CUDA; `pip install torch` brings a build that has it")
    try:
        asked = subprocess.run(LOOK, capture_output=True, text=True, timeout=SECONDS)
        found = json.loads(asked.stdout)
    except (subprocess.TimeoutExpired, ValueError) as error:
        return fault("GPU", f"torch {build} fails on it ({type(error).__name__}); does the driver fit its CUDA?")
    if found["error"]:
        return fault("GPU", f"torch {build} cannot use it: {found['error']}; does the driver fit its CUDA?")
    return ok("GPU", f"torch {build}, CUDA {found['cuda']}: {found['gpus']} computed a product")

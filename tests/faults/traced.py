"""The scripted study under strace, which ends it, or lets a call fail, at each point where it changes the disk in turn.

strace counts each call of each process anew. So one process that has imported everything forks a child for each point:
the child for point i of n first makes n - i calls that change nothing, and the fault meets whatever is its n-th.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hpo.errors import HpoError
from tests.faults.session import session

PROJECT = Path(__file__).parents[2]
# Each call that changes the disk, or the order in which it does, with one of its kind that changes nothing.
HARMLESS: dict[str, Callable[[], object]] = {
    "fsync": lambda: os.fsync(0),
    "fdatasync": lambda: os.fdatasync(0),
    "rename": lambda: os.rename("/none", "/nowhere"),
    "pwrite64": lambda: os.pwrite(0, b"", 0),
    "write": lambda: os.write(0, b""),
    "ftruncate": lambda: os.ftruncate(0, 0),
    "mkdir": lambda: os.mkdir("/"),
}


@dataclass(frozen=True)
class Point:
    """What became of the study that met the fault at its `index`-th call."""

    index: int
    folder: Path
    code: int  # its exit status: of HpoError's contract, -9 where it was killed, 0 where it came to its end
    said: str  # to standard error
    at: str  # of a call that was refused once, the call with its file


def missing() -> str:
    """Why nothing can be traced here; nothing where it can."""
    if not shutil.which("strace"):
        return "strace is not installed"
    tried = subprocess.run(["strace", "-f", "-e", "trace=fsync", "true"], capture_output=True, text=True)
    return "" if tried.returncode == 0 else f"strace may not trace here: {tried.stderr.strip().splitlines()[0]}"


@contextmanager
def in_memory() -> Iterator[Path]:
    """A folder where synchronising costs nothing: what is cut off here is a process, and not the power."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        yield Path(folder)


def at_each(call: str, fault: str, folder: Path, ever_after: bool = False) -> list[Point]:
    """The study met by `fault`, as strace spells it, at its first, second ... last `call`; and at all that follow."""
    count = _count(call, folder / f"{call}.whole")
    place, trace = folder / call, folder / f"{call}.trace"
    faults = f"inject={call}:{fault}:when={count}{'+' if ever_after else ''}"
    said = _strace(["-y", "-o", str(trace), "-e", f"trace={call}", "-e", faults], place, call, count)
    refused = [line for line in trace.read_text().splitlines() if "(INJECTED)" in line]
    points = []
    for line in said.splitlines():
        index, code, words = line.split("\t")
        at = refused[len(points)] if len(refused) == count else ""
        points.append(Point(int(index), place / index, int(code), words, at))
    assert len(points) == count, (len(points), count)
    return points


def _count(call: str, folder: Path) -> int:
    """How often the whole study makes it."""
    trace = folder.with_suffix(".count")
    _strace(["-o", str(trace), "-e", f"trace={call}"], folder, call, 1)
    calls = [line.split()[0] for line in trace.read_text().splitlines() if f" {call}(" in line]
    return calls.count(calls[-1])  # of the last process to make it, the child


def _strace(options: list[str], folder: Path, call: str, count: int) -> str:
    for index in range(1, count + 1):
        (folder / str(index)).mkdir(parents=True)
    python = [sys.executable, "-B", "-m", "tests.faults.traced", str(folder), call, str(count)]
    command = ["strace", "-f", *options, *python]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def _nursery(folder: Path, call: str, count: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    for index in range(1, count + 1):
        reader, writer = os.pipe()
        if (child := os.fork()) == 0:
            os._exit(_child(folder / str(index), call, count - index, writer))
        os.close(writer)
        with open(reader, encoding="utf-8", errors="replace") as words:
            said = " ".join(words.read().split())
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.writev(1, [f"{index}\t{code}\t{said}\n".encode()])  # a call that is not in HARMLESS


def _child(folder: Path, call: str, idle: int, said: int) -> int:
    for _ in range(idle):
        with suppress(OSError):
            HARMLESS[call]()
    try:
        session(folder)
        return 0
    except BaseException as error:
        code = error.exit_code if isinstance(error, HpoError) else 1
        with suppress(OSError):
            os.writev(said, [f"{type(error).__name__}: {error}".encode()])
        return code


if __name__ == "__main__":
    _nursery(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))

"""A Ray cluster of several raylets on this machine, each begun by the recipe in deploy/; any may be killed, or join.

A node that sees nothing of the driver's working folder has an empty file system laid over it, as if it were elsewhere.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.mlflow_server import free_port

RECIPE = Path(__file__).parents[2] / "deploy" / "ray_start.sh"
SECONDS_TO_START = 120
# of a machine that is gone: two lost beats, a second apart
QUICK = {"RAY_health_check_period_ms": "1000", "RAY_health_check_failure_threshold": "3"}


def namespaces() -> bool:
    """Whether a process may have mounts of its own."""
    return shutil.which("unshare") is not None and subprocess.run(["unshare", "--mount", "true"]).returncode == 0


@dataclass
class Node:
    process: subprocess.Popen[bytes]
    began: float  # time.time
    ended: float = 0.0

    @property
    def below(self) -> list[psutil.Process]:
        """Whatever runs there."""
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def runs(self, name: str) -> bool:
        return any(name in word for process in self.below if process.is_running() for word in process.cmdline())

    def freeze(self) -> None:
        """As if its network were cut: nobody there answers, and no connection is closed."""
        for process in self.below:
            process.suspend()

    def kill(self) -> None:
        """Whatever runs there ends without a word."""
        self.ended = time.time()
        for process in [*self.below, self.process]:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        self.process.wait()

    def lose_sight_of(self, folder: Path) -> None:
        """From now on it does not have the folder; it was begun with a file system of its own."""
        there = ["nsenter", f"--target={self.process.pid}", "--mount", "mount", "-t", "tmpfs", "none", str(folder)]
        subprocess.run(there, check=True)


@dataclass
class Nodes:
    folder: Path
    environment: dict[str, str]
    port: int
    begins: list[str]  # command line that starts a node
    all: list[Node] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def add(self, *words: str, blind_to: Sequence[Path] = ()) -> Node:
        """A machine with one CPU, unless the words say otherwise, that does not have the folders in `blind_to`."""
        command = [*self.begins, "--num-cpus=1", "--object-store-memory=100000000", "--block", *words]
        for place in blind_to:
            command = ["sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', str(place), *command]
        if blind_to:
            command = ["unshare", "--mount", *command]
        with (self.folder / f"node-{len(self.all)}.log").open("wb") as log:
            process = subprocess.Popen(
                command, cwd="/", env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        self.all.append(Node(process, time.time()))
        return self.all[-1]

    def wait_for(self, node: Node) -> None:
        """Until it can run trials."""
        deadline = time.monotonic() + SECONDS_TO_START
        log = self.folder / f"node-{self.all.index(node)}.log"
        while "Ray runtime started" not in log.read_text():
            assert time.monotonic() < deadline and node.process.poll() is None, log.read_text()[-2000:]
            time.sleep(0.2)


@contextmanager
def cluster(environment: dict[str, str], open_to_all: bool = False, head: Sequence[str] = ()) -> Iterator[Nodes]:
    """The head alone; short paths, for those of Ray's sockets may have 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="hpo-nodes-", dir="/tmp"))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    own = {"RAY_AUTH_TOKEN_PATH": str(folder / "token"), "RAY_TMPDIR": str(folder), "PATH": path}
    if open_to_all:
        own["RAY_AUTH_MODE"] = "disabled"
    begins = ["ray", "start", "--disable-usage-stats"] if open_to_all else [str(RECIPE)]
    nodes = Nodes(folder, {**os.environ, **environment, **QUICK, **own}, free_port(), begins)
    try:
        nodes.add("--head", f"--port={nodes.port}", "--include-dashboard=false", f"--temp-dir={folder}/ray", *head)
        nodes.wait_for(nodes.all[0])
        yield nodes
    finally:
        for node in nodes.all:
            node.kill()
        shutil.rmtree(folder, ignore_errors=True)

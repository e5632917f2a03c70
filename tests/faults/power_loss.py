"""What a power failure can leave: a trace of the scripted study, cut at each call, with any of the writes that were not
yet synchronised missing, torn at sectors of 512 bytes, or on the disk before earlier ones.

The file system is taken to promise no more than POSIX: fsync of a file makes its bytes durable and not its name, fsync
of a folder the names in it; a rename happens whole or not at all. After Pillai et al., "All file systems are not
created equal" (OSDI 2014), https://www.usenix.org/conference/osdi14/technical-sessions/presentation/pillai
"""

import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hpo.ledger import Ledger
from tests.faults.session import Row, judge, row, study
from tests.faults.traced import PROJECT, in_memory

SECTOR = 512
CALLS = "openat,write,pwrite64,ftruncate,fsync,fdatasync,rename,unlink,unlinkat,mkdir,rmdir"
LINE = re.compile(r"^\d+ +(\w+)\((.*)\) += (\d+)(?:<.*)?$")
STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
PATH = re.compile(r"<((?:[^>\\]|\\x[0-9a-f]{2})+)>")


@dataclass(eq=False)
class Node:
    """A file with its bytes, or a folder with its names."""

    data: bytes = b""
    names: dict[str, "Node"] | None = None


@dataclass(eq=False)
class Change:
    """One that is not yet durable; each of `synced_by` makes it so."""

    synced_by: list[Node]
    node: Node  # whose bytes or names change
    offset: int = 0
    data: bytes = b""
    size: int | None = None  # of a truncation
    name: str = ""  # gets `entry`, or loses it
    entry: Node | None = None
    moved_from: tuple[Node, str] | None = None


@dataclass
class Disk:
    """The tree that is durable, and the changes that are not yet."""

    root: Node = field(default_factory=lambda: Node(names={}))
    pending: list[Change] = field(default_factory=list)


def crash(disk: Disk, kept: list[tuple[Change, set[int] | None]]) -> dict[str, bytes | None]:
    """The tree after a power failure that let `kept` through, each whole or in some of its sectors: path -> bytes."""
    data: dict[Node, bytes] = {}
    names: dict[Node, dict[str, Node]] = {}
    for change, sectors in kept:
        _apply(change, sectors, data, names)
    tree: dict[str, bytes | None] = {}

    def walk(node: Node, path: str) -> None:
        if node.names is None:
            tree[path] = data.get(node, node.data)
            return
        tree[path] = None
        for name, entry in names.get(node, node.names).items():
            walk(entry, f"{path}/{name}")

    walk(disk.root, "")
    return tree


def _apply(
    change: Change, sectors: set[int] | None, data: dict[Node, bytes], names: dict[Node, dict[str, Node]]
) -> None:
    node = change.node
    if change.name:
        if change.moved_from:
            old, name = change.moved_from
            names.setdefault(old, dict(old.names or {})).pop(name, None)
        there = names.setdefault(node, dict(node.names or {}))
        if change.entry:
            there[change.name] = change.entry
        else:
            there.pop(change.name, None)
        return
    now = data.get(node, node.data)
    if change.size is not None:
        data[node] = now[: change.size].ljust(change.size, b"\0")
        return
    end = change.offset + len(change.data)
    new = bytearray(now.ljust(end, b"\0"))
    for index in range(change.offset // SECTOR, (end + SECTOR - 1) // SECTOR):
        if sectors is None or index in sectors:
            begin, stop = max(index * SECTOR, change.offset), min((index + 1) * SECTOR, end)
            new[begin:stop] = change.data[begin - change.offset : stop - change.offset]
    data[node] = bytes(new)


def _synchronise(disk: Disk, node: Node) -> None:
    for change in [change for change in disk.pending if node in change.synced_by]:
        disk.pending.remove(change)
        data: dict[Node, bytes] = {}
        names: dict[Node, dict[str, Node]] = {}
        _apply(change, None, data, names)
        for changed, content in data.items():
            changed.data = content
        for changed, entries in names.items():
            changed.names = entries
        if change.moved_from:  # what gave it its old name is over
            disk.pending = [
                one
                for one in disk.pending
                if not (one.entry is change.entry and (one.node, one.name) == change.moved_from)
            ]


class Replay:
    """Carries the calls of a trace out on a Disk, and counts the commits that the witness noted."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.disk = str(folder), Disk()
        self.tree: dict[str, Node] = {"": self.disk.root}  # as the kernel shows it
        self.commits: list[list[Row]] = []

    def call(self, name: str, arguments: str) -> bool:
        """Whether it was one that changes this folder, or makes a change durable."""
        strings = [bytes.fromhex(text.replace("\\x", "")) for text in STRING.findall(arguments)]
        opened = [self._inside(path) for path in PATH.findall(arguments)]
        if name in ("write", "pwrite64", "ftruncate", "fsync", "fdatasync"):
            if not opened or opened[0] is None or opened[0].endswith("(deleted)"):
                return False
            node = self.tree[opened[0]]
            if opened[0] == "/witness":
                if name == "write":
                    self.commits.append(json.loads(strings[0]))
            elif name.endswith("sync"):
                _synchronise(self.disk, node)
            elif name == "ftruncate":
                self._change(Change([node], node, size=int(arguments.split(",")[-1])))
            else:
                size = self._size(node)
                offset = int(arguments.split(",")[-1]) if name == "pwrite64" else size
                self._change(Change([node], node, offset=offset, data=strings[0]))
            return True
        paths = [self._inside(self._absolute(text.decode(), arguments, name)) for text in strings]
        if not paths or None in paths:
            return False
        path = str(paths[0])
        if name == "openat":
            if "O_CREAT" not in arguments or path in self.tree:
                if "O_TRUNC" in arguments:
                    node = self.tree[path]
                    self._change(Change([node], node, size=0))
                return "O_TRUNC" in arguments
            self._enter(path, Node())
        elif name == "mkdir":
            self._enter(path, Node(names={}))
        elif name == "rename":
            self._move(path, str(paths[1]))
        else:
            folder, leaf = self._split(path)
            self._change(Change([folder], folder, name=leaf))
            del self.tree[path]
        return True

    def _enter(self, path: str, node: Node) -> None:
        folder, leaf = self._split(path)
        self.tree[path] = node
        self._change(Change([folder], folder, name=leaf, entry=node))

    def _move(self, old: str, new: str) -> None:
        (source, name), (target, leaf), node = self._split(old), self._split(new), self.tree[old]
        moved = {path: self.tree.pop(path) for path in list(self.tree) if path == old or path.startswith(f"{old}/")}
        self.tree |= {new + path.removeprefix(old): one for path, one in moved.items()}
        self._change(Change([source, target], target, name=leaf, entry=node, moved_from=(source, name)))

    def _change(self, change: Change) -> None:
        self.disk.pending.append(change)

    def _size(self, node: Node) -> int:
        data = {node: node.data}
        for change in self.disk.pending:
            if change.node is node and not change.name:
                _apply(change, None, data, {})
        return len(data[node])

    def _split(self, path: str) -> tuple[Node, str]:
        parent, _, leaf = path.rpartition("/")
        return self.tree[parent], leaf

    def _inside(self, path: str) -> str | None:
        path = _decoded(path)
        return path.removeprefix(self.folder) if path.startswith(f"{self.folder}/") or path == self.folder else None

    def _absolute(self, path: str, arguments: str, name: str) -> str:
        below = PATH.findall(arguments.split(",")[0])
        return path if path.startswith("/") or not below else f"{below[0]}/{path}"


def path_of(arguments: str) -> str:
    """Of the file or folder that a call is for."""
    found = PATH.search(arguments)
    return _decoded(found[1]) if found else ""


def _decoded(path: str) -> str:
    return re.sub(r"\\x([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), path)


def trace(folder: Path) -> list[tuple[str, str]]:
    """The calls of the scripted study, run whole in `folder`, that change a disk or make changes durable."""
    log = folder.with_name("trace")
    command = ["strace", "-f", "-y", "-xx", "-s", "1000000", "-o", str(log), "-e", f"trace={CALLS}"]
    command += [sys.executable, "-B", "-m", "tests.faults.session", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT)
    assert done.returncode == 0, done.stderr
    found = [LINE.match(line) for line in log.read_text().splitlines()]
    return [(line[1], line[2]) for line in found if line]


@dataclass(frozen=True)
class Loss:
    """What was tried, and each state that broke a promise."""

    calls: int
    states: int
    wrong: list[str]


def power_losses(
    most: int, seed: int, keep: Callable[[str, str], bool] = lambda name, arguments: True, to_the_first: bool = False
) -> Loss:
    """Judge up to `most` of the states in which the power can leave the study, or up to the first that is wrong.

    `keep` may leave calls out of the trace, as if the study had not made them.
    """
    rng = random.Random(seed)
    with in_memory() as scratch:
        folder = scratch / "study"
        folder.mkdir()
        calls = [call for call in trace(folder) if keep(*call)]
        ledger = Ledger(study(folder).ledger)
        truth = [row(event) for event in ledger.events()]
        ledger.close()
        replay, states = Replay(folder), []
        for index, (name, arguments) in enumerate(calls):
            if replay.call(name, arguments):
                states += [(index, len(replay.commits), tree) for tree in _states(replay.disk, rng)]
        chosen = states if len(states) <= most else rng.sample(states, most)
        ends = {0}
        for rows in replay.commits:
            ends.add(max(ends) + len(rows))
        wrong = []
        for number, (index, commits, tree) in enumerate(chosen):
            place = scratch / f"state-{number}"
            _write(tree, place)
            found = judge(place, replay.commits[:commits]) or _torn(place, truth, ends)
            wrong += [f"after call {index}, {calls[index][0]}: {one}" for one in found]
            shutil.rmtree(place)
            if wrong and to_the_first:
                break
    return Loss(len(calls), number + 1, wrong)


def _states(disk: Disk, rng: random.Random) -> Iterator[dict[str, bytes | None]]:
    """Nothing, everything, all but one and one alone of what is pending; and as many torn at random."""
    pending = disk.pending
    choices = [set(), set(range(len(pending)))]
    choices += [{index} for index in range(len(pending))]
    choices += [set(range(len(pending))) - {index} for index in range(len(pending))]
    for chosen in {frozenset(choice) for choice in choices}:
        yield crash(disk, [(pending[index], None) for index in sorted(chosen)])
    for _ in range(min(len(pending), 6)):
        some = [change for change in pending if rng.random() < 0.5]
        yield crash(disk, [(change, _some_sectors(change, rng)) for change in some])


def _some_sectors(change: Change, rng: random.Random) -> set[int] | None:
    last = (change.offset + len(change.data)) // SECTOR
    return {index for index in range(change.offset // SECTOR, last + 1) if rng.random() < 0.5}


def _torn(place: Path, truth: list[Row], ends: set[int]) -> list[str]:
    """The ledger must be what was written up to the end of one of the commits."""
    if not study(place).root.exists():
        return []
    ledger = Ledger(study(place).ledger)
    there = [row(event) for event in ledger.events()]
    ledger.close()
    whole = there == truth[: len(there)] and len(there) - 1 in ends
    return [] if whole else [f"torn: {len(there)} rows, which is no end of a commit"]


def _write(tree: dict[str, bytes | None], place: Path) -> None:
    for path, data in tree.items():
        if data is None:
            os.makedirs(f"{place}{path}", exist_ok=True)
        else:
            with open(f"{place}{path}", "wb") as file:
                file.write(data)

"""Runs a scripted study on a disk that fills up, in children of one process that has imported everything.

`python full_disk.py calls FOLDER SYSCALL LAST STRIDE`, under strace that lets each SYSCALL from the LAST-th on fail:
strace counts for each process anew, so the i-th child first makes LAST - i calls that do no harm.
`python full_disk.py tmpfs FOLDER`, in a mount namespace of its own: 256 KiB, of which ever more pages are free.
One line of JSON for each child that met the full disk, and one for the first that did not.
"""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

STUDY = """\
study: toy
trainable: tests.hpo.heavy:epochs
objective: {maximize: score}
config: {max_epochs: 2, witness: witness.jsonl}
search_space: {x: {uniform: [-5.0, 5.0]}}
search: {searcher: random, scheduler: fifo, trials: 2}
"""
SIZE, PAGE = 256 * 1024, 4096
IDLE: dict[str, Callable[[int], Any]] = {
    "write": lambda null: os.write(null, b""),
    "pwrite64": lambda null: os.pwrite(null, b"", 0),
    "fsync": os.fsync,
    "fdatasync": os.fdatasync,
    "mkdir": lambda null: os.mkdir("/"),
    "rename": lambda null: os.rename("", ""),
}


class Elsewhere(io.TextIOBase):
    """Standard error that is no disk: it is written with the system call that does not fail."""

    def __init__(self, call: str) -> None:
        self.file, self.call = os.memfd_create("stderr"), call

    def write(self, text: str) -> int:
        end = os.fstat(self.file).st_size
        if self.call == "write":
            os.pwrite(self.file, text.encode(), end)
        else:
            os.lseek(self.file, 0, os.SEEK_END)
            os.write(self.file, text.encode())
        return len(text)

    def text(self) -> str:
        return os.pread(self.file, 100_000, 0).decode()


def verb(folder: Path, *words: str, fails: tuple[str, int] = ("", 0)) -> tuple[int, str]:
    """A verb in a child process, which makes some idle calls before: its exit code and what it wrote to stderr."""
    call, idle = fails
    err = Elsewhere(call)
    child = os.fork()
    if child == 0:
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        sys.stderr = err  # type: ignore[assignment]
        for _ in range(idle):
            with suppress(OSError):
                IDLE[call](null)
        os.chdir(folder)
        from hpo.__main__ import main

        sys.argv = ["hpo", *words]
        try:
            main()
        except SystemExit as error:
            os._exit(int(error.code or 0))
        except BaseException as error:  # a traceback is what no person must see
            err.write(f"traceback: {type(error).__name__}: {error}")
        os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code, err.text()


def rows(folder: Path) -> list[list[Any]]:
    """What the ledger acknowledges, in order."""
    from hpo.ledger import Ledger

    path = folder / "studies" / "toy" / "ledger.db"
    if not path.exists():
        return []
    ledger = Ledger(path)
    found = [[event.kind, event.trial, event.attempt, event.step] for event in ledger.events()]
    ledger.close()
    return found


def seen(folder: Path, code: int, err: str, room: Any) -> dict[str, Any]:
    """The failure, and what became of the study when there was room again."""
    studies = folder / "studies"
    before = rows(folder)
    left = sorted(path.name for path in studies.iterdir()) if studies.exists() else []
    room()
    words = ["resume", "toy"] if before else ["run", "study.yaml"]
    again, said = verb(folder, *words, "--in-process")
    return {
        "code": code, "err": err, "left": left, "before": before, "resumed": again, "said": said,
        "after": rows(folder), "trained": [json.loads(line) for line in (folder / "witness.jsonl").open()],
    }  # fmt: skip


def fresh(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "study.yaml").write_text(STUDY)
    return folder


def calls(folder: Path, syscall: str, last: int, stride: int) -> None:
    for index in range(1, last, stride):
        place = fresh(folder / str(index))
        code, err = verb(place, "run", "study.yaml", "--in-process", fails=(syscall, last - index))
        if code == 0:
            return print(json.dumps({"code": 0, "index": index}), flush=True)
        print(json.dumps(seen(place, code, err, lambda: None) | {"index": index}), flush=True)


def tmpfs(folder: Path) -> None:
    for pages in range(1, SIZE // PAGE):
        place = folder / str(pages)
        place.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", place], check=True)
        (place / "study.yaml").write_text(STUDY)
        filler = place / "filler"
        filler.write_bytes(b"x" * (SIZE - (pages + 1) * PAGE))  # one page is the study file's
        code, err = verb(place, "run", "study.yaml", "--in-process")
        found = {"code": 0} if code == 0 else seen(place, code, err, filler.unlink)
        print(json.dumps(found | {"index": pages}), flush=True)
        subprocess.run(["umount", "-l", place], check=True)
        if code == 0:
            return


if __name__ == "__main__":
    sys.modules["mlflow"] = None  # type: ignore[assignment]  # it stays behind, as if its server were down

    import hpo.cli
    import hpo.driver
    import hpo.engine
    import hpo.executors.in_process
    import hpo.study_file
    import hpo.tracking.mlflow
    import hpo.tracking.terminal  # noqa: F401

    mode, place, *rest = sys.argv[1:]
    if mode == "calls":
        calls(Path(place), rest[0], int(rest[1]), int(rest[2]))
    else:
        tmpfs(Path(place))

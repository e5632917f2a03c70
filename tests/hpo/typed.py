"""Types command lines, hundreds of them in little time: children of one process that has imported everything.

`python -m tests.hpo.typed` reads a JSON object for each command line, and answers with its exit code, standard output
and standard error.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]
LONGEST = 120  # seconds; then the child is killed


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line on standard error, which ends the command."""
        assert self.err.startswith("error: ") and self.err.count("\n") == 1 and self.err.endswith("\n"), self
        assert "Traceback" not in self.out and self.err.isprintable() is False and self.err[:-1].isprintable(), self
        return self.err.removeprefix("error: ").rstrip("\n")


class Typist:
    """One at a time."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.hpo.typed"],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(
        self,
        folder: Path,
        *words: str,
        stdout: str = "kept",
        environment: Mapping[str, str] | None = None,
        user: int | None = None,
    ) -> Done:
        """`stdout` is kept, or is closed, full, or a pipe whose reader has gone; `user` is another one's number."""
        assert self.process.stdin is not None and self.process.stdout is not None
        asked = {"folder": str(folder), "words": words, "stdout": stdout, "environment": dict(environment or {}),
                 "user": user}  # fmt: skip
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return Done(**json.loads(self.process.stdout.readline()))

    def close(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def main() -> None:
    import mlflow  # noqa: F401
    import numpy  # noqa: F401
    import pandas  # noqa: F401

    import hpo.__main__
    import hpo.cli
    import hpo.driver
    import hpo.engine
    import hpo.executors.in_process
    import hpo.registry.promotion
    import hpo.results
    import hpo.study_file
    import hpo.tables
    import hpo.tracking.mlflow
    import hpo.tracking.terminal  # noqa: F401
    import tests.toy  # noqa: F401

    for line in sys.stdin:
        print(json.dumps(answer(**json.loads(line))), flush=True)


def answer(folder: str, words: list[str], stdout: str, environment: dict[str, str], user: int | None) -> dict[str, Any]:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            try:
                os.chdir(folder)
                if user is not None:
                    os.setuid(user)
                in_child(words, environment, descriptor_of(stdout, out.fileno()), err.fileno())
            finally:
                os._exit(99)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        out.seek(0)
        err.seek(0)
        return {
            "code": code,
            "out": out.read().decode("utf-8", "replace"),
            "err": err.read().decode("utf-8", "replace"),
        }


def descriptor_of(stdout: str, kept: int) -> int | None:
    if stdout == "full":
        return os.open("/dev/full", os.O_WRONLY)
    if stdout == "gone":
        reader, writer = os.pipe()
        os.close(reader)
        return writer
    return None if stdout == "closed" else kept


def in_child(words: list[str], environment: dict[str, str], out: int | None, err: int) -> None:
    import signal
    import traceback

    from hpo.__main__ import main as hpo

    os.environ.update(environment)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(err, 2)
    if out is None:
        os.close(1)
        sys.stdout = None  # type: ignore[assignment]  # as Python starts
    else:
        os.dup2(out, 1)
        sys.stdout = open(1, "w", encoding=environment.get("PYTHONIOENCODING", "utf-8"), closefd=False)
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False, buffering=1)
    sys.path.insert(0, str(PROJECT))
    sys.argv = ["hpo", *words]
    signal.alarm(LONGEST)
    try:
        hpo()
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:  # what no person must see
        traceback.print_exc()
        code = 98
    try:
        sys.stdout.flush()  # as Python ends
    except OSError:
        code = 120
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()

"""A private PostgreSQL: a cluster in a folder of its own, on a free port of this machine, gone with the context."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

USER, PASSWORD, DATABASE = "searcher", "s3cret-of-the-test", "studies"


def programs() -> Path | None:
    """The folder with `initdb` and `postgres`; None where PostgreSQL is not installed."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    on_path = shutil.which("initdb")
    return installed[-1] if installed else Path(on_path).parent if on_path else None


@dataclass
class Cluster:
    """A server that can be started, stopped and killed. `url` logs in with a password, as a person would."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{DATABASE}"

    def start(self) -> None:
        command = [
            str(_bin() / "postgres"),
            "-D",
            str(self.folder / "data"),
            "-p",
            str(self.port),
            "-k",
            str(self.folder),
        ]
        log = (self.folder / "log").open("ab")
        with log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, **_as_somebody())
        for _ in range(300):
            if self._answers():
                return
            time.sleep(0.1)
        raise RuntimeError((self.folder / "log").read_text())

    def kill(self) -> None:
        """As a crash of the machine would: the server restarts from its own log."""
        assert self.process
        self.process.send_signal(signal.SIGQUIT)  # the children end at once, without a checkpoint
        self.process.wait()

    def stop(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGINT)
        self.process.wait()

    def run(self, program: str, *arguments: str, **options: str) -> str:
        command = [str(_bin() / program), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, **_as_somebody(), **options)  # type: ignore[call-overload]
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    def _answers(self) -> bool:
        command = [str(_bin() / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command).returncode == 0


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="hpo-postgresql-"))
    made = Cluster(folder, port)
    try:
        if os.getuid() == 0:
            somebody = pwd.getpwnam(_somebody())
            os.chown(folder, somebody.pw_uid, somebody.pw_gid)
        (folder / "password").write_text(PASSWORD)
        made.run("initdb", "-D", f"{folder}/data", "-U", USER, "-A", "scram-sha-256", "--pwfile", f"{folder}/password")
        made.start()
        try:
            made.run("createdb", "-h", str(folder), "-p", str(port), "-U", USER, DATABASE, env={"PGPASSWORD": PASSWORD})
            yield made
        finally:
            made.stop()
    finally:
        shutil.rmtree(folder)


def _bin() -> Path:
    found = programs()
    assert found
    return found


def _somebody() -> str:
    """PostgreSQL refuses to run as root."""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _as_somebody() -> dict[str, str]:
    return {"user": _somebody(), "cwd": "/"} if os.getuid() == 0 else {}

"""Whether the tests would notice: each safeguard is taken out of a copy of the project, and its tests must fail.

A mutation is one safeguard: a synchronisation, a uniqueness, a fence against a late or second writer, a lock, or a look
at what was read. Its text must stand in its file exactly once, so that none is left behind when the code changes.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]
COPIED = ("hpo", "train_fn", "dashboards", "tests", "search_spaces", "pyproject.toml")
SECONDS = 600

LEDGER, LOCK = "tests/hpo/test_ledger.py", "tests/hpo/test_study_lock.py"
SERVER, MODEL = "tests/hpo/test_ledger_server.py", "tests/hpo/test_ledger_model.py"
POWER = "tests/hpo/test_durability.py::test_a_power_failure_loses_nothing_in_a_few_states"
SQLITE_FOLDER = "tests/hpo/test_durability.py::test_no_folder_needs_to_be_synchronised_by_sqlite"
FENCES, CHECKPOINT = "tests/hpo/test_fences.py", "tests/train_fn/test_checkpoint.py"
LATE = "tests/hpo/test_engine.py::test_a_late_report_of_an_older_attempt_is_refused"
RUNNING = "tests/hpo/test_engine.py::test_a_running_study_is_not_started_again"


@dataclass(frozen=True)
class Mutation:
    """`old` becomes `new` in `file`, and one of `tests` must fail."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def apply(self, project: Path) -> None:
        path = project / self.file
        text = path.read_text(encoding="utf-8")
        assert text.count(self.old) == 1, (
            f"{self.name}: {self.old!r} stands {text.count(self.old)} times in {self.file}"
        )
        path.write_text(text.replace(self.old, self.new), encoding="utf-8")


def _in(file: str, *found: tuple[str, str, str, tuple[str, ...]]) -> list[Mutation]:
    return [Mutation(name, file, old, new, tests) for name, old, new, tests in found]


MUTATIONS = [
    *_in(
        "hpo/ledger_file.py",
        ("no fsync of commits", "synchronous=FULL", "synchronous=OFF", (LEDGER, POWER)),
        ("half of the fsyncs of commits", "synchronous=FULL", "synchronous=NORMAL", (LEDGER,)),
        ("a journal that is deleted", "journal_mode=PERSIST", "journal_mode=DELETE", (LEDGER, POWER)),
        ("a journal in memory", "journal_mode=PERSIST", "journal_mode=MEMORY", (LEDGER, POWER)),
        ("a vanished ledger is made anew", '"mode": "rw"', '"mode": "rwc"', (LEDGER,)),
        ("another ledger is made over it", "os.O_CREAT | os.O_EXCL | os.O_RDWR", "os.O_CREAT | os.O_RDWR", (LEDGER,)),
        ("a cut file is read", "if there < pages * size:", "if False:", (LEDGER,)),
        ("all may read the ledger", "os.O_RDWR, 0o600", "os.O_RDWR, 0o644", (LEDGER,)),
    ),
    *_in(
        "hpo/ledger.py",
        ("a report is unique", "unique=True,", "unique=False,", (LEDGER,)),
        ("a row's number is unique", "primary_key=True, autoincrement=False", "index=True", (LEDGER,)),
        ("the last number is read anew", "if self._last is None:", "if True:", (LEDGER,)),
        ("appends go on after an error", "self._failed = True", "pass", (LEDGER,)),
        ("a missing row is passed over", "if event.seq != number:", "if False:", (LEDGER,)),
        ("a newer schema is read", "if version != SCHEMA_VERSION:", "if False:", (LEDGER,)),
        ("every append is a commit", "if self._open is not None:", "if False:", (LEDGER,)),
    ),
    *_in(
        "hpo/ledger_server.py",
        ("the server may commit late", '"-c synchronous_commit=on"', '""', (SERVER,)),
        ("no lock on the server", "if owner:", "if False:", (SERVER,)),
        ("the lock is kept for others", "connection.detach()  # to be closed in the end", "pass  #", (SERVER,)),
        ("the address is not synchronised", "os.fsync(descriptor)", "pass", (SERVER,)),
        ("the password is stored", "difference_update_query(SECRETS)", "set(username=address.username)", (SERVER,)),
    ),
    *_in(
        "hpo/study_lock.py",
        ("no lock", "fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)", "pass", (LOCK,)),
        ("a lock that is shared", "fcntl.LOCK_EX |", "fcntl.LOCK_SH |", (LOCK,)),
        ("a lock that children keep", "os.register_at_fork(after_in_child=_let_go)", "", (LOCK,)),
        ("a refusal is passed over", "if not _locked(descriptor):", "if False:", (LOCK,)),
        ("the server is not asked", "server.exclusive() if server else nullcontext()", "nullcontext()", (SERVER,)),
        (
            "no study is seen to run",
            "except BlockingIOError:\n        return True",
            "except BlockingIOError:\n        return False",
            (LOCK,),
        ),
    ),
    *_in(
        "hpo/engine.py",
        ("an older attempt is heard", "trial.attempt == segment.attempt and ", "", (LATE, MODEL)),
        (
            "a trial that is over is heard",
            " and trial.state is State.RUNNING:\n            return trial",
            ":\n            return trial",
            (FENCES, MODEL),
        ),
        ("attempts have one number", "attempt = trial.attempt + 1", "attempt = max(trial.attempt, 1)", (LATE, MODEL)),
        ("a report is heard twice", "if said.step <= trial.last_step:", "if False:", (FENCES, MODEL)),
        ("rows are committed one by one", "with self.ledger.transaction():", "if True:", (FENCES, MODEL)),
    ),
    *_in(
        "hpo/driver.py",
        ("two drivers", "with full, unreached, study_lock(paths),", "with full, unreached,", (RUNNING,)),
        ("two projections", "with study_lock(paths), chatter_to", "with chatter_to", (LOCK,)),
        (
            "the folder of studies is not durable",
            "make_durable_folder(paths.root.parent)",
            "paths.root.parent.mkdir(parents=True, exist_ok=True)",
            (POWER,),
        ),
        ("a study's name is not durable", "        sync(paths.root.parent)\n", "", (POWER,)),
        ("the new ledger's name is not durable", "        sync(unnamed.root)\n", "", (SQLITE_FOLDER,)),
    ),
    *_in(
        "train_fn/checkpoint.py",
        ("nothing is synchronised", "        os.fsync(descriptor)", "        pass", (POWER,)),
        ("files are not synchronised", "    sync(path)\n    return {", "    return {", (POWER,)),
        (
            "the manifest is not synchronised",
            '+ "\\n", encoding="utf-8")\n    sync(path)',
            '+ "\\n", encoding="utf-8")',
            (POWER,),
        ),
        (
            "names are not synchronised",
            "            if path.is_dir():\n                sync(path)",
            "            pass",
            (POWER,),
        ),
        ("the checkpoint's name is not synchronised", "    sync(folder.parent)\n", "", (POWER,)),
        ("its folder is not synchronised", "        sync(path.parent)", "        pass", (POWER,)),
        (
            "it is filled under its last name",
            'temporary = folder.with_name(f"{folder.name}.{uuid.uuid4().hex}.tmp")',
            "temporary = folder",
            (POWER, CHECKPOINT),
        ),
        ("hashes are not compared", 'if digest(folder / name) != expected["sha256"]:', "if False:", (CHECKPOINT,)),
        ("sizes are not compared", 'if path.stat().st_size != expected["bytes"]:', "if False:", (CHECKPOINT,)),
    ),
]


@contextmanager
def copied(folder: Path) -> Iterator[Path]:
    """A copy of the project, to be broken."""
    project = folder / "project"
    for name in COPIED:
        source, target = PROJECT / name, project / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    try:
        yield project
    finally:
        shutil.rmtree(project)


def run_tests(project: Path, tests: tuple[str, ...]) -> tuple[bool, str]:
    """Whether they pass there, and the test that does not."""
    command = [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--no-header", *tests]
    environment = os.environ | {"PYTHONPATH": str(project), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=SECONDS)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"the tests cannot be run:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    failed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("FAILED ")]
    return done.returncode == 0, failed[0] if failed else ""


def noticed_by(mutation: Mutation, folder: Path) -> str:
    """The test that fails when the safeguard is gone; nothing where all pass."""
    with copied(folder) as project:
        mutation.apply(project)
        passed, failed = run_tests(project, mutation.tests)
    return "" if passed else failed

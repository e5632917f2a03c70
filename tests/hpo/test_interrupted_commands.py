"""Ctrl-C at any moment: exit code 130, and no traceback. That of a running study is in tests/test_kills.py."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from tests.hpo.known_names import TOY
from tests.hpo.test_command_line import VERBS
from tests.hpo.typed import PROJECT

STARTED = """\
import sys
{hook}
print("started", flush=True)
sys.argv = ["hpo", *{words!r}]
from hpo.__main__ import main
main()
"""
# Ctrl-C as soon as a module is looked for
AT_IMPORT = """\
import signal
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
"""
# one that lands in a finalizer, where Python would print it and go on
IN_FINALIZER = """\
import signal
class Interrupting:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)
        for _ in range(1000): pass
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "hpo.study_file":
            sys.meta_path.remove(self)
            Interrupting()
sys.meta_path.insert(0, Finder())
"""


def start(folder: Path, hook: str, words: list[str]) -> subprocess.Popen[str]:
    code = STARTED.format(hook=hook, words=words)
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    "module",
    ["typer", "typer.main", "hpo.errors", "hpo.cli", "hpo.study_file", "yaml", "pydantic", "sqlalchemy", "hpo.results"],
)
def test_an_interrupt_while_libraries_are_loaded_is_no_traceback(tmp_path: Path, module: str) -> None:
    (tmp_path / "study.yaml").write_text(TOY)
    verb = ["status"] if module in ("sqlalchemy", "hpo.results") else ["check", "study.yaml"]
    process = start(tmp_path, AT_IMPORT.format(module=module), verb)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out, err) == (130, "started\n", "")


def test_an_interrupt_in_a_finalizer_is_not_lost(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(TOY)
    process = start(tmp_path, IN_FINALIZER, ["check", "study.yaml"])
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out, err) == (130, "started\n", "")


MOMENTS = 1  # for each verb


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    (folder / "study.yaml").write_text(TOY)
    before = start(folder, "", ["run", "study.yaml", "--in-process"])
    assert before.communicate(timeout=240) and before.returncode == 0
    return folder


@pytest.mark.hard
@pytest.mark.parametrize("verb", VERBS)
def test_an_interrupt_at_any_moment_is_no_traceback(finished: Path, tmp_path: Path, verb: str) -> None:
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    words = VERBS[verb] if verb != "run" else ["run", "study.yaml", "--in-process", "--name", "other"]
    began = time.monotonic()
    start(tmp_path, "", words).communicate(timeout=240)
    longest, random = time.monotonic() - began, Random(f"{verb} 5")
    for number in range(MOMENTS):
        words = [*words[:-1], f"other{number}"] if verb == "run" else words
        process = start(tmp_path, "", words)
        assert process.stdout is not None and process.stdout.readline() == "started\n"
        wait = random.uniform(0, longest)
        print(f"{verb}: after {wait:.3f} of {longest:.3f} s")
        time.sleep(wait)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=240)
        assert "Traceback" not in err + out and "Exception ignored" not in err, (wait, err)
        # at the very end Python has given the signal back, which then ends the process: to a shell that is 130, too
        assert process.returncode in (130, -signal.SIGINT, 0, 2), (wait, process.returncode, err)
        said = len([line for line in err.splitlines() if line.startswith("error: ")])
        assert said <= (process.returncode in (2, -signal.SIGINT)), (wait, process.returncode, err)

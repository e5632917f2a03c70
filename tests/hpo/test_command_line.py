"""Whatever a person types, and in whatever state things are: an exit code of the contract, and one line of error.

The table is all verbs times all states. A new verb is in it by itself, by the arguments that it takes.
"""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from hpo.cli import app
from tests.hpo.typed import Done, Typist

STUDY = """\
study: toy
trainable: tests.toy:epochs
objective: {maximize: score}
config: {max_epochs: 3}
search_space:
  x: {uniform: [-5, 5]}
  kind: {choice: ['토이 [/b] :smile:', "\\e[31mred"]}
search: {searcher: random, scheduler: fifo, trials: 2}
registry: {model: toy-model}
"""
CODES = {0, 1, 2, 74, 75, 130}
ARGUMENTS = {"STUDY": "toy", "FILE": "study.yaml", "MODEL": "toy-model", "TRIAL": "0"}
# they start a server, or look at all of the machine: each has tests of its own
ALONE = ("ui", "doctor", "serve")
NO_SERVER = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}


def command_lines() -> dict[str, list[str]]:
    """Every verb with the arguments that it needs, and those that name a study."""
    found = {}
    for verb, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        words = [verb]
        for parameter in command.params:
            metavar = str(parameter.metavar).strip("[]")
            if parameter.param_type_name == "argument" and (parameter.required or metavar == "STUDY"):
                words.append(ARGUMENTS[metavar])
            elif parameter.name == "in_process":
                words.append("--in-process")
            elif parameter.required:
                words += [parameter.opts[0], "new"]
        found[verb] = words
    return found


ALL = command_lines()
VERBS = {verb: words for verb, words in ALL.items() if verb not in ALONE}
OF_STUDIES = {verb: words for verb, words in VERBS.items() if "toy" in words}
READING = ("status", "show", "why", "check")
# all verbs in all states take minutes: some of them always, the others by `make test-hard`
SOME = ("show", "resume", "promote")
EACH_OF_STUDIES = [pytest.param(verb, marks=[] if verb in SOME else pytest.mark.hard) for verb in OF_STUDIES]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, typist: Typist) -> Path:
    """A folder with a study that has ended."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "study.yaml").write_text(STUDY, encoding="utf-8")
    done = typist(folder, "run", "study.yaml", "--in-process")
    assert (done.code, done.err) == (0, ""), done
    return folder


@pytest.fixture
def here(finished: Path, tmp_path: Path) -> Path:
    """A copy of it, to be spoilt."""
    return Path(shutil.copytree(finished, tmp_path / "here"))


def snapshot(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def ended_well(done: Done) -> None:
    """In one of the codes, with at most one `error:` line, and no traceback anywhere."""
    assert done.code in CODES, done
    assert "Traceback" not in done.out + done.err and "hpo has a fault" not in done.err, done
    assert "Exception ignored" not in done.err, done
    errors = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == (0 if done.code in (0, 130) else 1), done


@pytest.mark.parametrize("verb", ALL)
def test_wrong_options_and_arguments_are_refused(typist: Typist, tmp_path: Path, verb: str) -> None:
    words = ALL[verb]
    for wrong in (
        [*words, "--nonsense"],
        [*words, "a", "b", "c"],
        [f"{verb}x"],
        *([[verb]] if len(words) > 1 and verb not in ("status", "doctor") else []),
        *([["show", "toy", "--json=maybe"], ["ui", "--port", "x"], ["run", "f", "--set"]] if verb == "show" else []),
    ):
        done = typist(tmp_path, *wrong)
        assert done.code == 2 and done.error.endswith("; `hpo --help` lists all verbs"), (wrong, done)
    assert snapshot(tmp_path) == set()


def test_help_is_shown_for_every_verb_and_for_none(typist: Typist, tmp_path: Path) -> None:
    for words in ([], ["--help"], *([verb, "--help"] for verb in ALL)):
        for columns in ("40", "200"):
            done = typist(tmp_path, *words, environment={"COLUMNS": columns})
            assert (done.code, done.err) == (0, "") and done.out.startswith("Usage: hpo"), words
            assert columns == "200" or max(map(len, done.out.splitlines())) <= 78


@pytest.mark.parametrize("verb", OF_STUDIES)
def test_a_study_that_is_not_there_is_named(typist: Typist, tmp_path: Path, verb: str) -> None:
    done = typist(tmp_path, *OF_STUDIES[verb])
    assert (
        done.code == 2 and "there is no study at" in done.error and "`hpo status` lists those there are" in done.error
    )
    assert snapshot(tmp_path) == set()


@pytest.mark.parametrize("verb", [verb for verb, words in VERBS.items() if "study.yaml" in words and verb != "predict"])
@pytest.mark.parametrize("file", ["absent.yaml", "/dev/zero", ".", "study.yaml/x", "\x1b[31m.yaml", "a\nb"])
def test_a_file_that_is_none_is_refused(typist: Typist, here: Path, verb: str, file: str) -> None:
    done = typist(here, *[file if word == "study.yaml" else word for word in VERBS[verb]])
    assert done.code == 2 and done.error


def written(raw: bytes) -> Callable[[Path], None]:
    return lambda ledger: ledger.write_bytes(raw) and None  # type: ignore[func-returns-value]


def statement(sql: str) -> Callable[[Path], None]:
    def apply(ledger: Path) -> None:
        connection = sqlite3.connect(ledger)
        connection.execute(sql)
        connection.commit()
        connection.close()

    return apply


def as_a_folder(ledger: Path) -> None:
    ledger.unlink()
    ledger.mkdir()


def cut_in_half(ledger: Path) -> None:
    os.truncate(ledger, ledger.stat().st_size // 2)


def other_bytes(ledger: Path) -> None:
    raw = bytearray(ledger.read_bytes())
    raw[4096:] = bytes(number % 251 for number in range(len(raw) - 4096))
    ledger.write_bytes(raw)


DAMAGE: dict[str, Callable[[Path], None]] = {
    "garbage": written(b"garbage" * 1000),
    "empty": written(b""),
    "a folder": as_a_folder,
    "cut in half": cut_in_half,
    "other bytes": other_bytes,
    "no events": statement("DELETE FROM events"),
    "no version": statement("DELETE FROM schema"),
    "another version": statement("UPDATE schema SET version = 99"),
    "no table": statement("DROP TABLE events"),
    "no JSON": statement("UPDATE events SET payload = '{' WHERE seq = 1"),
    "a list": statement("UPDATE events SET payload = '[]' WHERE kind = 'asked'"),
    "an unknown kind": statement("UPDATE events SET kind = 'dreamt' WHERE kind = 'asked'"),
    "no record": statement("DELETE FROM events WHERE seq = 1"),
    "no trial": statement("DELETE FROM events WHERE kind = 'asked'"),
    "another hpo's settings": statement(
        "UPDATE events SET payload = replace(payload, '\"trainable\"', '\"trainabel\"') WHERE seq = 1"
    ),
}


@pytest.mark.parametrize("verbs", [SOME, pytest.param(tuple(OF_STUDIES), marks=pytest.mark.hard)], ids=["some", "all"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_ledger_is_told_of_by_every_verb(typist: Typist, here: Path, damage: str, verbs: list[str]) -> None:
    DAMAGE[damage](here / "studies" / "toy" / "ledger.db")
    for verb in verbs:
        done = typist(here, *OF_STUDIES[verb], environment=NO_SERVER)
        assert done.code in (2, 74), (verb, done)  # of another hpo, or of the disk
        assert "toy" in done.error or "the ledger is damaged" in done.error, (verb, done)
    (here / "studies" / "other").mkdir()
    shutil.copy(here / "study.yaml", here / "other.yaml")
    done = typist(here, "status")  # one damaged study does not hide the others
    assert done.code == 0 and "unreadable" in done.out and not done.err
    [row] = json.loads(typist(here, "status", "--json").out)
    assert row["study"] == "toy" and row["state"] == "unreadable" and row["reason"]


@pytest.mark.parametrize("verb", EACH_OF_STUDIES)
def test_what_is_no_folder_of_its_own_is_refused(typist: Typist, here: Path, tmp_path: Path, verb: str) -> None:
    """A link in place of the study, or inside of it, would lead what is written to another place."""
    study, outside = here / "studies" / "toy", tmp_path / "outside"
    shutil.copytree(study, outside)
    before = {path: path.read_bytes() for path in outside.rglob("*") if path.is_file()}
    for name in ("ledger.db", "lock", "study.log", "mlflow.json", "trials", "trials/0000", "."):
        place = study / name
        if name == ".":
            shutil.rmtree(study)
            place = study
        elif place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
        place.symlink_to(outside / name)
        done = typist(here, *OF_STUDIES[verb], environment=NO_SERVER)
        assert done.code == 2 and "is a link, but a study lies in folders of its own" in done.error, (name, done)
        place.unlink()
        if name not in (".", "trials"):
            shutil.copytree(outside, study, dirs_exist_ok=True)
        elif name == "trials":
            shutil.copytree(outside / name, place)
    assert before == {path: path.read_bytes() for path in outside.rglob("*") if path.is_file()}
    study.write_text("a file")
    assert "is no folder" in typist(here, *OF_STUDIES[verb], environment=NO_SERVER).error
    shutil.rmtree(here / "studies")
    (here / "studies").write_text("a file")
    assert "is no folder" in typist(here, *OF_STUDIES[verb], environment=NO_SERVER).error


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else, to whom a folder is closed")
@pytest.mark.parametrize("verb", VERBS)
def test_a_folder_that_may_not_be_read_is_named(typist: Typist, here: Path, verb: str) -> None:
    (here / "studies").chmod(0)
    (here / "study.yaml").chmod(0)
    done = typist(here, *VERBS[verb], user=65534, environment=NO_SERVER | {"HOME": str(here)})
    ended_well(done)
    assert done.code == 2 and "ermission denied" in done.error, done


@pytest.mark.parametrize("stdout", ["closed", "gone", "full"])
def test_a_standard_output_that_takes_nothing_is_no_traceback(typist: Typist, here: Path, stdout: str) -> None:
    for verb in (*READING, "resume", "--help"):
        done = typist(here, *ALL.get(verb, [verb]), stdout=stdout)
        ended_well(done)
        if stdout == "full":
            assert done.code == 74 and "standard output: No space left on device" in done.err, (verb, done)
        else:
            assert (done.code, done.err) == (0, ""), (verb, done)
    done = typist(here, "show", "absent", stdout=stdout)
    assert done.code == 2 and "there is no study" in done.error


def test_a_study_goes_on_when_nobody_reads_its_lines_any_more(typist: Typist, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY, encoding="utf-8")
    assert typist(tmp_path, "run", "study.yaml", "--in-process", stdout="gone").code == 0
    assert json.loads(typist(tmp_path, "status", "--json").out)[0]["state"] == "finished"


@pytest.mark.parametrize("verb", READING)
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1", "cp949"])
def test_narrow_terminals_of_any_encoding_are_written_to(
    typist: Typist, finished: Path, verb: str, encoding: str
) -> None:
    environment = {"COLUMNS": "40", "PYTHONIOENCODING": encoding}
    done = typist(finished, *VERBS[verb], environment=environment)
    assert (done.code, done.err) == (0, ""), done
    assert "\x1b" not in done.out  # a value that would colour the terminal, or move its cursor
    done = typist(finished, *VERBS[verb], "--json", environment=environment)
    assert (done.code, done.err) == (0, "") and json.loads(done.out)


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in (*READING, "run", "retrain")])
def test_a_tracking_server_that_is_down_is_told_of(typist: Typist, here: Path, verb: str) -> None:
    ended_well(typist(here, *VERBS[verb], environment=NO_SERVER))


MODULE = """\
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from train_fn import Report

@dataclass(frozen=True, kw_only=True)
class Config:
    x: float = 0.0

@dataclass(frozen=True)
class Found:
    fingerprint: str = "1"

def epochs(config: Config, resume_from: Path | None = None) -> Iterator[Report]:
    yield Report(epoch=1, metrics={"score": config.x})
"""


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ("raise RuntimeError('two\\nlines')\n", "importing 'own' failed: RuntimeError: two lines"),
        ("raise SystemExit(3)\n", "importing 'own' failed: SystemExit: 3"),
        ("import sys; sys.exit('bye')\n", "importing 'own' failed: SystemExit: bye"),
        ("import nowhere\n", "no module 'nowhere' to be found"),
        ("def (:\n", "importing 'own' failed: SyntaxError"),
        ("1 / 0\n", "importing 'own' failed: ZeroDivisionError: division by zero"),
        ("def f(): f()\nf()\n", "importing 'own' failed: RecursionError"),
        ("epochs = 3\n", "must"),
        ("def epochs(config): yield\n", "must annotate config by a dataclass, got None"),
        ("def epochs(config: int): yield\n", "must annotate config by a dataclass, got <class 'int'>"),
        ("def epochs(config: 'Nowhere'): yield\n", "must be a function with readable annotations"),
        ("class Odd: pass\n@dataclass\nclass C:\n  x: Odd\ndef epochs(config: C): yield\n", "a type that YAML"),
        ("def check(config): raise KeyError('x')\n", "`check` of own failed: KeyError: 'x'"),
        ("def check(config): return config.nothing\n", "`check` of own failed: AttributeError"),
        ("def check(config): raise ValueError('`x` must be 3, got 0')\n", "search_space.x: `x` must be 3, got 0"),
        ("def objectives(config): return 3\n", "`objectives` of own failed: TypeError"),
        ("def objectives(config): return {'skore': True}\n", "score is no metric of own:epochs; did you mean skore?"),
        ("def prepare(config): raise KeyError('x')\n", "`prepare` of own failed: KeyError: 'x'"),
        ("def prepare(config): raise ValueError('a\\nb')\n", "study.yaml:2:1: trainable: a b"),
        ("def prepare(config): return 3\n", "`prepare` must return a dataclass, got 3"),
        ("def prepare(config): open('/nowhere/x')\n", "/nowhere/x: No such file or directory; correct the path"),
        ("def describe(config, full): raise KeyError('x')\n", "`describe` of own failed: KeyError: 'x'"),
        ("def checkpoint_bytes(config): raise KeyError('x')\n", "`checkpoint_bytes` of own failed: KeyError: 'x'"),
        ("@dataclass(frozen=True)\nclass C:\n  x: float = 0.0\n  def __post_init__(self): self.y\n"
         "def epochs(config: C): yield\n", "C cannot be built: AttributeError"),
    ],
)  # fmt: skip
def test_faults_of_a_persons_own_trainable_are_one_line(typist: Typist, tmp_path: Path, added: str, said: str) -> None:
    (tmp_path / "own.py").write_text(MODULE + added)
    (tmp_path / "study.yaml").write_text(
        "study: toy\ntrainable: own:epochs\nobjective: {maximize: score}\nsearch_space: {x: {uniform: [0, 1]}}\n"
        "search: {trials: 1}\n"
    )
    done = typist(tmp_path, "check", "study.yaml")
    assert done.code == 2 and said in done.error, done
    assert "studies" not in snapshot(tmp_path)


def test_a_fault_of_hpo_itself_is_one_line_and_leaves_its_traceback_in_a_file(typist: Typist, here: Path) -> None:
    """By a module in the working directory that takes the place of one of Python's."""
    (here / "own.py").write_text("import hpo.checking\nhpo.checking.size = None\nfrom tests.toy import *\n")
    (here / "study.yaml").write_text(STUDY.replace("tests.toy:epochs", "own:epochs"), encoding="utf-8")
    done = typist(here, "check", "study.yaml", environment={"TMPDIR": str(here)})
    assert done.code == 1 and "hpo has a fault: TypeError" in done.error and "please report it with" in done.error
    file = Path(done.error.split()[-1])
    assert "Traceback" in file.read_text() and file.stat().st_mode & 0o077 == 0


def test_a_trial_of_several_machines_is_not_trained_in_one_process(tmp_path: Path, typist: Typist) -> None:
    several = f"resources: {{nodes: 2}}\nray: {{address: auto, storage: {tmp_path / 'shared'}}}\n"
    (tmp_path / "study.yaml").write_text(STUDY + several, encoding="utf-8")
    refused = "a trial is to have 2 machines, but --in-process trains on this one alone; leave it out, or try --set "
    done = typist(tmp_path, "run", "study.yaml", "--in-process")
    assert (done.code, done.err) == (2, f"error: {refused}resources.nodes=1\n")
    assert not (tmp_path / "studies").exists()
    assert typist(tmp_path, "run", "study.yaml", "--in-process", "--set", "resources.nodes=1").code == 0
    done = typist(tmp_path, "resume", "toy", "--in-process", "--allow-changed", "--set", "resources.nodes=2")
    assert (done.code, done.err) == (2, f"error: {refused}resources.nodes=1\n")

"""A study file is hostile until it has been read: it costs little, runs nothing, and ends in one line."""

import os
import resource
import socket
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from hpo.errors import UsageError
from hpo.study_file import load_study
from hpo.text_file import MAX_BYTES
from tests.hpo.known_names import TOY
from tests.hpo.mutated_study_files import mutated
from tests.hpo.typed import Typist

SEED = 7
MUTATED, TYPED = 2000, 20  # files; of these on the real command line


def refusal(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        load_study(path)
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_what_is_no_regular_file_is_refused_without_being_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("/dev/zero")
    (tmp_path / "round").symlink_to("round")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        got = {
            name: refusal(tmp_path / name)
            for name in ("pipe", "folder", "link", "round", "socket", "absent", "x" * 300)
        }
    assert "is a regular file, got a pipe" in got["pipe"]
    assert "is a regular file, got a folder" in got["folder"]
    assert "is a regular file, got a device" in got["link"]
    assert "cannot be read: Too many levels of symbolic links" in got["round"]
    assert "is a regular file, got a socket" in got["socket"]
    assert "no such study file" in got["absent"]
    assert "cannot be read: File name too long" in got["x" * 300]
    for device in ("/dev/zero", "/dev/urandom", "/dev/tty", "/dev/null"):
        assert "got a device" in refusal(Path(device))


def test_a_faulty_file_waits_for_no_large_library() -> None:
    """numpy, SQLAlchemy and the like take longer to import than the file takes to be refused."""
    large = {"numpy", "scipy", "sqlalchemy", "pandas", "torch", "rich"}
    code = f"import sys, hpo.study_file\nprint(*sorted({large} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_a_file_of_a_hundred_gigabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse.yaml"
    path.touch()
    os.truncate(path, 100 * 10**9)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "at most 1,000,000 bytes, got more" in refusal(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kB


@pytest.mark.parametrize(
    "text", [TOY.replace("\n", "\r\n"), "\ufeff" + TOY, "---\n" + TOY + "...\n", "%YAML 1.2\n---\n" + TOY]
)
def test_what_editors_add_is_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_bytes(text.encode())
    assert load_study(path).study == "toy"


def test_the_largest_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(TOY + "#" * (MAX_BYTES - len(TOY)))
    assert load_study(path).study == "toy"


WIDE = ", ".join(f"word{number}" for number in range(9000))
LADDER = "".join(
    f"  p{n}: {{choice: [1, 2], when: {{p{n - 1}: [1]" + (f", p{n - 2}: [1]" if n > 1 else "") + "}}\n"
    for n in range(1, 190)
)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[plain, fancy]", f"[plain, {WIDE}]", "loaded"),
        ("[plain, fancy]", f"[plain, {'a' * 900_000}]", "loaded"),
        ("[plain, fancy]", f"[plain, '{'://a:' * 100_000}']", "loaded"),
        ("[plain, fancy]", f"[plain, '{'eyJ' * 200_000}']", "loaded"),
        ("trials: 2}", "trials: 999999}", "loaded"),
        ("trials: 2}", f"trials: 2, points: [{'{x: 1},' * 3000}]}}", "loaded"),
        ("scheduler: fifo", "scheduler: asha", "loaded"),
        (
            "search: {",
            "".join(f"k{number}: 1\n" for number in range(4000)) + "search: {",
            "(49 more faults, in lines 11, 12",
        ),
        (
            "  x: {",
            "".join(f"  p{number}: {{constant: 1}}\n" for number in range(300)) + "  x: {",
            "must have 200 entries",
        ),
        ("  x: {", f"  p0: {{choice: [1, 2]}}\n{LADDER}  x: {{", "p0: is no field of ToyConfig"),
        ("search: {", f"constraints: [{'x > 9,' * 60}]\nsearch: {{", "must have 50 entries at most"),
        ("search: {", f"constraints: [{'x < 9,' * 49}x > 9]\nsearch: {{", "none of 10,000 random configurations"),
        ("random, scheduler: fifo", "grid, scheduler: fifo", "loaded"),
        ("uniform: [-5, 5]", "uniform: [-5, 5], step: 1.0e-7", "loaded"),
    ],
    ids=lambda value: value[:30],
)
def test_a_file_of_much_work_is_read_or_refused_all_the_same(tmp_path: Path, old: str, new: str, said: str) -> None:
    """Each of them took minutes, or all memory, under a rule that is quadratic or worse."""
    path = tmp_path / "study.yaml"
    path.write_text(TOY.replace(old, new, 1))
    if said == "loaded":
        assert load_study(path).study == "toy"
    else:
        assert said in refusal(path)


def test_a_grid_of_too_many_values_is_refused_before_they_are_made(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(TOY.replace("searcher: random", "searcher: grid").replace("[-5, 5]}", "[-5, 5], step: 1.0e-7}"))
    assert "combinations is more than 1,000,000" in refusal(path)


def test_mutated_study_files_are_refused_in_one_line(
    tmp_path: Path, typist: Typist, monkeypatch: pytest.MonkeyPatch
) -> None:
    print(f"seed {SEED}")
    path, refused = tmp_path / "study.yaml", 0
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    for one in islice(mutated(SEED), MUTATED):
        path.write_bytes(one.raw)
        try:
            load_study(path)
            continue
        except UsageError as error:
            message = str(error)
        except Exception as error:
            raise AssertionError(f"{one}: {type(error).__name__}: {error}") from error
        assert message.startswith((f"{path}:", "--set")) and message.isprintable(), (one, message)
        refused += 1
        if refused % (MUTATED // TYPED) == 0:
            done = typist(Path(__file__).parents[2], "check", str(path))
            assert (done.code, done.out, done.error) == (2, "", message), one
    assert refused > MUTATED / 2

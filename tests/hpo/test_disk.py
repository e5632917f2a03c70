"""What a study takes on the disk: told before, refused where there is no room, and a full disk loses nothing."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hpo.disk import Disk, Room, room
from hpo.disk_faults import disk_error, fault, in_bytes
from hpo.driver import on_another_machine, start
from hpo.errors import DiskError, UsageError
from hpo.history import State
from hpo.packing import at_once
from hpo.paths import StudyPaths
from hpo.preparation import checkpoint_bytes
from hpo.study import Resources, Study
from hpo.tracking.log_file import RedactedWriter
from tests.hpo.test_engine import new_engine, run, toy_study
from tests.test_main_job import hpo

PROJECT = Path(__file__).parents[2]


def study_of(trials: int = 3, cap_gb: float | None = None, **config: Any) -> Study:
    return toy_study(
        trainable="tests.hpo.heavy:epochs",
        config=config,
        search_space={"max_epochs": {"integer": [3, 4]}},
        search={"trials": trials, "scheduler": "fifo", "searcher": "random"},
        disk={} if cap_gb is None else {"cap_gb": cap_gb},
    )


# --- the forecast


@pytest.mark.parametrize(
    ("trials", "at_once", "keep", "pausing", "count"),
    [
        (24, 2, 1, False, 3 * 2 + 1),
        (24, 2, 3, False, 3 * 2 + 3),
        (1, 2, 1, False, 3),  # a study of one trial is over when that has ended
        (2, 4, 3, False, 3 * 2),
        (24, 2, 1, True, 3 * 2 + 2 * 22),  # those that wait keep their latest and their best
        (24, 0, 1, False, 3 + 1),  # the machine will turn out to be too small; that is told elsewhere
    ],
)
def test_the_forecast_counts_what_may_lie_there_at_once(
    tmp_path: Path, trials: int, at_once: int, keep: int, pausing: bool, count: int
) -> None:
    found = room("toy", tmp_path, Disk(keep=keep), trials=trials, at_once=at_once, pausing=pausing)
    assert found.count == count


@pytest.mark.parametrize(
    ("cpu", "gpu", "cpus", "gpus", "count"),
    [
        (1, "auto", 8, 0, 8),
        (3, "auto", 8, 0, 2),
        (1, "auto", 8, 2, 2),
        (1, 0, 8, 2, 8),
        (1, 0.5, 8, 2, 4),
        (1, 0.4, 8, 1, 2),
        (1, 2.0, 8, 4, 2),
    ],
)
def test_trials_run_side_by_side_as_far_as_the_machine_has_room(
    cpu: int, gpu: Any, cpus: int, gpus: int, count: int
) -> None:
    assert at_once(Resources(cpu=cpu, gpu=gpu), cpus, gpus) == count


def test_the_largest_configuration_counts() -> None:
    spec = study_of().model_dump(exclude_none=True, exclude_unset=True)
    told = Study.model_validate({**spec, "search_space": {"told": {"choice": [3, 7, 5]}}})
    assert checkpoint_bytes(told) == 7
    assert checkpoint_bytes(study_of()) is None and checkpoint_bytes(toy_study()) is None


def test_sizes_are_told_as_disks_are_sold() -> None:
    assert [in_bytes(number) for number in (0, 999, 1_000, 272_564_736, 1_999_500_000, 5e12, 7e15)] == [
        "0 bytes", "999 bytes", "1 kB", "273 MB", "2 GB", "5 TB", "7e+03 TB",
    ]  # fmt: skip


def test_what_does_not_fit_the_disk_is_refused_with_what_is_to_be_freed(tmp_path: Path) -> None:
    found = Room(study="toy", folder=tmp_path / "none" / "yet", count=7, cap=None)
    found.refuse(found.free // 8)
    with pytest.raises(DiskError) as caught:
        found.refuse(found.free)
    assert re.fullmatch(
        rf"the checkpoints of toy may take \S+ .B \(7 of \S+ .B at most\), but \S+ .B are free in {tmp_path}; "
        r"free \S+ .B, or run fewer trials at once with --set resources.cpu",
        str(caught.value),
    )
    found.refuse(found.free, there=7 * found.free)  # what they take already is no longer needed


def test_a_study_beyond_its_cap_is_refused_before_anything_is_there(folder: Path) -> None:
    with pytest.raises(
        DiskError, match=r"the checkpoints of toy may take .* but disk.cap_gb allows 1 MB; raise it with --set"
    ):
        start(study_of(cap_gb=0.001, told=10**6), text="", in_process=True)
    assert not (folder / "studies").exists()


def test_a_size_that_only_the_first_checkpoint_tells_is_refused_then_and_its_report_is_kept(folder: Path) -> None:
    with pytest.raises(DiskError, match="disk.cap_gb allows 1 MB"):
        run(new_engine(folder, study_of(cap_gb=0.001, size=10**6)))
    with pytest.raises(DiskError):  # a resume meets the same limit, before any training
        new_engine(folder, study_of(cap_gb=0.001, size=10**6))
    engine = run(new_engine(folder, study_of(cap_gb=1.0, size=10**6)))
    assert [trial.state for trial in engine.history.trials] == [State.COMPLETE] * 3
    assert [len(trial.evaluations) for trial in engine.history.trials] == [
        trial.params["max_epochs"] for trial in engine.history.trials
    ]


def test_check_says_what_the_checkpoints_will_take(folder: Path) -> None:
    shutil.copy(Path(__file__).with_name("heavy.py"), folder / "heavy.py")
    (folder / "study.yaml").write_text(
        "study: toy\ntrainable: heavy:epochs\nobjective: {maximize: score}\nconfig: {told: 1000000}\n"
        "search: {trials: 1, searcher: random}\n"
    )
    said = hpo(folder, "check", "study.yaml")
    assert re.search(r"^disk: checkpoints take 3 MB \(3 of 1 MB at most\); \S+ .B are free$", said.stdout, re.M)
    said = hpo(folder, "check", "study.yaml", "--set", "disk.cap_gb=0.001", expect=74)
    assert said.stderr.startswith("error: the checkpoints of toy may take 3 MB") and said.stderr.count("\n") == 1
    said = hpo(folder, "check", "study.yaml", "--set", "config.told=0")
    assert re.search(r"^disk: known after the first checkpoint; \S+ .B are free$", said.stdout, re.M)


def test_a_resumed_study_may_have_more_room_and_nothing_else_of_its_file_changes() -> None:
    study = study_of(cap_gb=0.001)
    larger = on_another_machine(study, ["disk.cap_gb=2", "resources.cpu=1"])
    assert larger.disk.cap_gb == 2 and larger.config == study.config and larger.search == study.search
    for setting in ("search.trials=9", "config.size=1", "disks.cap_gb=1", "study=other"):
        with pytest.raises(
            UsageError, match="a study that has begun keeps all but disk, ray, resources, tracking, workers; start"
        ):
            on_another_machine(study, [setting])


# --- faults


def test_a_fault_of_the_disk_is_recognized_in_whatever_it_is_wrapped() -> None:
    assert fault(OSError(28, "No space left on device")) == "No space left on device"
    assert fault(OSError(2, "No such file or directory")) == ""
    assert fault(RuntimeError("I/O error: Read-only file system (os error 30)")) == "Read-only file system"
    try:
        try:
            raise OSError(5, "Input/output error")
        except OSError as error:
            raise RuntimeError("cannot serialize") from error
    except RuntimeError as error:
        assert fault(error) == "Input/output error"
    assert fault(ValueError("`disk` must be large")) == ""


def test_an_error_raised_from_itself_is_looked_at_once() -> None:
    error = ValueError("nothing of a disk")
    error.__cause__ = error
    assert fault(error) == ""


def test_the_line_names_the_path_the_bytes_and_the_way_out(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    line = str(disk_error(tmp_path / "a", "No space left on device", "`hpo resume toy`", needed=10 * free))
    assert line.startswith(f"{tmp_path / 'a'}: No space left on device; {in_bytes(10 * free)} needed, ")
    assert line.endswith(f" free in {tmp_path}; free some, then `hpo resume toy`")
    line = str(disk_error(tmp_path, "Input/output error", "`hpo resume toy`"))
    assert line == f"{tmp_path}: Input/output error; mend the disk, then `hpo resume toy`"


@pytest.mark.parametrize("what", ["trials", "."])
def test_a_folder_that_vanishes_ends_the_study_and_is_not_made_anew(folder: Path, what: str) -> None:
    root, study = StudyPaths.of("toy").root, study_of(vanishes=str(StudyPaths.of("toy").root / what))
    with pytest.raises(DiskError) as caught:
        run(new_engine(folder, study))
    assert f"{root / 'trials' / '0000'}: the folder has vanished; mend the disk, then `hpo resume toy`" == str(
        caught.value
    )
    assert not (root / what / "trials").exists() and not (root / "trials").exists()
    if what == "trials":  # the ledger is still there: the trial begins anew
        (folder / "again").touch()
        engine = run(new_engine(folder, study))
        assert [trial.state for trial in engine.history.trials] == [State.COMPLETE] * 3


# --- a disk that fills up, in processes of its own


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Path]:
    """A folder where an fsync costs nothing: what counts here is what the system calls say, not what they write."""
    if not Path("/dev/shm").is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="hpo-full-disk-", dir="/dev/shm") as folder:
        yield Path(folder)


def scripted(command: list[str], timeout: float) -> list[dict[str, Any]]:
    """What tests/hpo/full_disk.py says of each study that met the fault; the last line is of the one that did not."""
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr
    *failed, survived = map(json.loads, done.stdout.splitlines())
    assert survived["code"] == 0 and failed
    return failed


def script(*words: str) -> list[str]:
    return [sys.executable, str(PROJECT / "tests" / "hpo" / "full_disk.py"), *words]


def injected(folder: Path, syscall: str, errno: str, stride: int, last: int = 200) -> list[dict[str, Any]]:
    if shutil.which("strace") is None:
        pytest.skip("needs strace (apt-get install strace)")
    inject = [f"trace={syscall}", f"inject={syscall}:error={errno}:when={last}+"]
    strace = ["strace", "-f", "-o", os.devnull, *(word for one in inject for word in ("-e", one))]
    return scripted([*strace, *script("calls", str(folder), syscall, str(last), str(stride))], timeout=400)


def assert_nothing_lost(found: list[dict[str, Any]], said: str) -> None:
    """Exit code 74 and one line; nothing where nothing was committed; then every report once, the rest as before."""
    for one in found:
        lines = [line for line in one["err"].splitlines() if not line.startswith("warning: MLflow is behind")]
        assert one["code"] == 74 and len(lines) == 1, one
        assert re.fullmatch(rf"error: (\S+|standard output): .*({said}).*; {WAY_OUT}|{FORESEEN}", lines[0]), one
        if "space" in said:
            assert re.search(r"\d (bytes|.B) (needed|at most).* \S+ (bytes|.B) (are )?free in /", lines[0]), one
        assert one["left"] == (["toy"] if one["before"] else []), one
        assert one["resumed"] == 0, one
        assert one["after"][: len(one["before"])] == one["before"], one
        reports = Counter((trial, step) for kind, trial, _, step in one["after"] if kind == "reported")
        assert reports == {(trial, step): 1 for trial in range(2) for step in (1, 2)}, one
        trained = Counter((line["x"], line["epoch"]) for line in one["trained"])
        assert len(trained) == 4 and sum(trained.values()) <= 5, "one epoch at most is trained again"


WAY_OUT = ".*(run it again|`hpo resume toy`|`hpo resume`)"
FORESEEN = (
    r"error: the checkpoints of toy may take .*; free \S+ \S+, or run fewer trials at once with --set resources.cpu"
)
FULL = "No space left on device|database or disk is full"


@pytest.mark.hard
@pytest.mark.parametrize(("syscall", "stride"), [("write", 2), ("pwrite64", 10), ("mkdir", 6)])
def test_a_disk_that_is_full_from_any_write_on_loses_nothing(in_memory: Path, syscall: str, stride: int) -> None:
    """`make chaos` takes every one of them."""
    assert_nothing_lost(injected(in_memory, syscall, "ENOSPC", stride), FULL)


@pytest.mark.hard
def test_a_small_disk_that_fills_up_at_any_page_loses_nothing(in_memory: Path) -> None:
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-Urm", "true"], check=False).returncode:
        pytest.skip("needs unshare with user namespaces, or to be root")
    found = scripted(["unshare", "-Urm", *script("tmpfs", str(in_memory))], timeout=400)
    assert len(found) > 10
    assert_nothing_lost(found, FULL)


@pytest.mark.hard
@pytest.mark.parametrize(
    ("syscall", "errno", "said"),
    [
        ("fsync", "EIO", "Input/output error|disk I/O error"),
        ("fdatasync", "EIO", "Input/output error|disk I/O error"),
        ("mkdir", "EROFS", "Read-only file system"),
        ("mkdir", "EACCES", "Permission denied"),
        ("rename", "EDQUOT", "Disk quota exceeded"),
    ],
)
def test_a_disk_that_fails_or_is_read_only_ends_the_study_and_loses_nothing(
    in_memory: Path, syscall: str, errno: str, said: str
) -> None:
    assert_nothing_lost(injected(in_memory, syscall, errno, stride=8), said)


# --- the same with Ray and MLflow, for real

STUDY = """\
study: toy
trainable: heavy:epochs
objective: {maximize: score}
config: {size: 1000, grows: 600}
search: {searcher: random, scheduler: fifo, trials: 1}
"""
# a small disk, then a verb, then room, then the verb that goes on
FILLING = """\
set -e
mount -t tmpfs -o size={size} none {small}
hpo() {{ {python} -c 'import sys
from pathlib import Path
import hpo.executors.ray_session as session
session.PLACE = Path(sys.argv.pop(1))
from hpo.__main__ import main
main()' {place} "$@"; }}
set +e
hpo run study.yaml --set {setting} 2> first.err; echo $? > first.code
mount -o remount,size=40m {small}
hpo {again} toy 2> again.err; echo $? > again.code
{python} -c 'import json, sys
from hpo.results import read
print(json.dumps([[trial.state, [one.step for one in trial.evaluations]] for trial in read("toy").history.trials]))'
"""


def small_disk(folder: Path, under: str, again: str, setting: str = "config.size=1000", size: str = "400k") -> str:
    """The line that is told where the disk under studies, ray or mlflow fills up; in the end the study is whole."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-Urm", "true"], check=False).returncode:
        pytest.skip("needs unshare with user namespaces, or to be root")
    shutil.copy(Path(__file__).with_name("heavy.py"), folder / "heavy.py")
    (folder / "study.yaml").write_text(STUDY)
    # the sockets of Ray need a short path
    small = Path(tempfile.mkdtemp(dir="/tmp")) if under == "ray" else folder / under
    small.mkdir(exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": f"{PROJECT}:{folder}", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    environment["MLFLOW_TRACKING_URI"] = f"sqlite:///{small}/mlflow.db" if under == "mlflow" else "http://127.0.0.1:9"
    place = small if under == "ray" else "/tmp"
    command = FILLING.format(python=sys.executable, small=small, place=place, setting=setting, again=again, size=size)
    done = subprocess.run(
        ["unshare", "-Urm", "bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True
    )
    if under == "ray":
        small.rmdir()
    assert done.returncode == 0, done.stderr
    first, after = ((folder / f"{name}.err").read_text() for name in ("first", "again"))
    codes = [int((folder / f"{name}.code").read_text()) for name in ("first", "again")]
    assert codes == [74, 0], first + after
    assert json.loads(done.stdout.splitlines()[-1]) == [["COMPLETE", [1, 2, 3]]]
    lines = [line for line in first.splitlines() if not line.startswith("warning: ")]
    assert len(lines) == 1 and lines[0].startswith("error: "), first
    return lines[0]


@pytest.mark.hard
def test_a_worker_of_ray_that_fills_the_disk_ends_the_study_and_its_trial_goes_on_later(tmp_path: Path) -> None:
    line = small_disk(tmp_path, "studies", "resume")
    assert re.fullmatch(
        rf"error: {tmp_path}/studies/toy/trials/0000: No space left on device; more than \S+ .B needed, "
        rf"\S+ .B free in {tmp_path}/studies/toy/trials/0000; free some, then `hpo resume toy`",
        line,
    )


@pytest.mark.hard
def test_a_full_disk_under_the_files_of_ray_ends_the_study_and_it_goes_on_later(tmp_path: Path) -> None:
    line = small_disk(tmp_path, "ray", "resume", "config.grows=1", size="64k")
    assert re.fullmatch(r"error: /\S+/hpo-ray-\w+: No space left on device; .*`hpo resume toy`", line)


@pytest.mark.hard
def test_a_full_disk_under_the_database_of_mlflow_is_told_when_the_study_is_over(tmp_path: Path) -> None:
    line = small_disk(tmp_path, "mlflow", "sync", "config.grows=1 --in-process")
    assert re.fullmatch(
        rf"error: {tmp_path}/mlflow/mlflow.db: ({FULL}); more than \S+ \S+ needed, "
        rf"\S+ \S+ free in {tmp_path}/mlflow; free some, then `hpo sync toy`",
        line,
    )


def test_what_a_full_disk_did_not_take_of_a_log_is_not_shown_on_the_screen_later(tmp_path: Path) -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    writer = RedactedWriter(descriptor)
    with pytest.raises(OSError, match="No space left"):
        writer.write("a traceback")
    screen = os.open(tmp_path / "screen", os.O_CREAT | os.O_WRONLY)
    os.dup2(screen, descriptor)
    writer.close()
    os.close(screen)
    os.close(descriptor)
    assert (tmp_path / "screen").read_text() == ""

"""Every fault is made for real, found, and mended; what is well, and what is somebody else's, is left as it is."""

import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import mlflow
import pytest

from hpo.doctor import (
    CHECKS,
    Finding,
    Orders,
    State,
    examine,
    examine_study,
    gpu,
    ledgers,
    leftovers,
    machine,
    tracking,
    versions,
)
from hpo.driver import resume, start
from hpo.errors import UsageError
from hpo.executors import ray_session
from hpo.ledger import Ledger
from hpo.paths import StudyPaths
from hpo.processes import MARK
from hpo.results import read
from hpo.study_lock import study_lock
from hpo.tracking.mlflow import TRIAL, tracking_uri
from hpo.tracking.mlflow_database import make
from tests.hpo.test_engine import toy_study

WATCH = Orders(mend=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two working folders: of a finished study of eight trials, and of one interrupted in its first trial's epoch 5."""
    folders = {}
    before = os.umask(0o077)
    for name, config in {"finished": {}, "broken off": {"interrupts_at": 5}}.items():
        folders[name] = tmp_path_factory.mktemp("made")
        with pytest.MonkeyPatch.context() as patch, suppress(KeyboardInterrupt):
            patch.chdir(folders[name])
            patch.delenv("MLFLOW_TRACKING_URI", raising=False)  # MLflow sets it
            start(toy_study(config=config, search={"trials": 8, "scheduler": "fifo"}), text="", in_process=True)
    os.umask(before)
    return folders


@pytest.fixture
def toy(made: dict[str, Path], folder: Path) -> StudyPaths:
    """A finished study, copied."""
    shutil.copytree(made["finished"], folder, dirs_exist_ok=True)
    return StudyPaths.of("toy")


@pytest.fixture
def broken_off(made: dict[str, Path], folder: Path) -> StudyPaths:
    """A study that waits to be resumed, copied."""
    shutil.copytree(made["broken off"], folder, dirs_exist_ok=True)
    return StudyPaths.of("toy")


def found(paths: StudyPaths, check: str, orders: Orders = Orders()) -> Finding:  # noqa: B008
    """The first finding of that check."""
    findings = list(examine_study(paths, orders))
    return next(finding for finding in findings if finding.check == check)


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path): (path.stat().st_mode, path.read_bytes()) for path in files}


def test_of_a_study_that_is_well_every_line_says_so(toy: StudyPaths) -> None:
    before = contents(toy.root)
    findings = list(examine_study(toy, Orders()))
    assert {finding.state for finding in findings} == {State.OK}, findings
    assert [finding.check for finding in findings] == ["leftovers", "rights", "ledger", "checkpoints", "runs"]
    del before[str(toy.lock)]
    assert before.items() <= contents(toy.root).items()


# --- ledger ---


@pytest.mark.parametrize("share", [0.8, 0.9, 0.99])
def test_a_ledger_that_was_cut_off_is_saved_row_by_row_when_that_is_asked_for(toy: StudyPaths, share: float) -> None:
    with closing(Ledger(toy.ledger)) as ledger:
        rows = ledger.events()
    whole = toy.ledger.read_bytes()
    toy.ledger.write_bytes(cut := whole[: int(share * len(whole))])
    said = found(toy, "ledger")
    assert said.state == State.FAULT and "`hpo doctor toy --repair`" in said.says
    assert toy.ledger.read_bytes() == cut, "nothing is repaired that was not asked for"
    said = found(toy, "ledger", Orders(repair=True))
    assert said.state == State.MENDED and " rows saved" in said.says
    with closing(Ledger(toy.ledger)) as ledger:
        saved = ledger.events()
    assert saved == rows[: len(saved)] and f"{len(saved)} rows saved" in said.says
    assert len(saved) > len(rows) / 4
    [kept] = toy.root.glob("ledger.damaged-*.db")
    assert kept.read_bytes() == cut and kept.name in said.says


def test_a_study_goes_on_from_its_repaired_ledger_and_mlflow_follows(toy: StudyPaths) -> None:
    """Its last trials are trained again; what MLflow had of them is in its trash."""
    whole = toy.ledger.read_bytes()
    toy.ledger.write_bytes(whole[: len(whole) * 2 // 3])
    found(toy, "ledger", Orders(repair=True))
    unfinished = [trial.number for trial in read("toy").history.trials if not trial.state.ended]
    resume("toy", in_process=True)
    assert read("toy").state == "finished" and len(read("toy").history.trials) == 8
    assert found(toy, "runs").state == State.OK and len(statuses()) == 9
    with closing(Ledger(toy.ledger)) as ledger:
        reports = [(event.trial, event.step) for event in ledger.events() if event.kind == "reported"]
    client = mlflow.MlflowClient(tracking_uri=tracking_uri())
    for run in client.search_runs([client.get_experiment_by_name("toy").experiment_id]):
        if (number := int(run.data.tags.get(TRIAL, -1))) in unfinished:
            steps = [point.step for point in client.get_metric_history(run.info.run_id, "score")]
            assert steps == [step for trial, step in reports if trial == number], "each report once"


def test_rows_after_a_gap_are_kept_beside_and_not_told_of_the_wrong_trial(toy: StudyPaths) -> None:
    """A page in the middle is lost."""
    data = bytearray(toy.ledger.read_bytes())
    leaves = [at for at in range(4096, len(data), 4096) if data[at] == 0x0D]
    middle = leaves[len(leaves) // 2]
    data[middle : middle + 4096] = bytes(4096)
    toy.ledger.write_bytes(data)
    said = found(toy, "ledger", Orders(repair=True))
    [rest] = toy.root.glob("ledger.damaged-*.rest.jsonl")
    beyond = [json.loads(line) for line in rest.read_text().splitlines()]
    with closing(Ledger(toy.ledger)) as ledger:
        saved = ledger.events()
    assert said.state == State.MENDED and f"{len(beyond)} after a gap are in {rest.name}" in said.says
    assert [event.seq for event in saved] == list(range(1, len(saved) + 1))
    assert beyond and beyond[0]["seq"] > len(saved) + 1


def test_a_ledger_without_its_first_row_is_left_as_it_is(toy: StudyPaths) -> None:
    toy.ledger.write_bytes(b"")
    said = found(toy, "ledger", Orders(repair=True))
    assert said.state == State.FAULT and "of the study itself, its first row, nothing is left" in said.says
    assert toy.ledger.read_bytes() == b"" and not list(toy.root.glob("ledger.*.db"))


def test_a_repair_that_is_broken_off_leaves_the_damaged_ledger(
    toy: StudyPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = toy.ledger.read_bytes()
    toy.ledger.write_bytes(cut := data[: len(data) * 2 // 3])

    def no_room(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(ledgers.os, "replace", no_room)
        assert found(toy, "ledger", Orders(repair=True)).state == State.FAULT
    assert toy.ledger.read_bytes() == cut
    assert found(toy, "ledger", Orders(repair=True)).state == State.MENDED


def test_the_journal_of_the_damaged_file_is_never_played_into_the_new_one(toy: StudyPaths) -> None:
    data = toy.ledger.read_bytes()
    toy.ledger.write_bytes(data[: len(data) * 2 // 3])
    journal = Path(f"{toy.ledger}-journal")
    journal.write_bytes(b"\0" * 512)
    found(toy, "ledger", Orders(repair=True))
    [kept] = toy.root.glob("ledger.damaged-*.db")
    assert not journal.exists() and Path(f"{kept}-journal").exists()


def test_a_folder_without_a_ledger_is_a_fault(folder: Path) -> None:
    (folder / "studies" / "empty").mkdir(parents=True)
    [said] = examine_study(StudyPaths.of("empty"), Orders())
    assert said.state == State.FAULT and "this is no study" in said.says


# --- checkpoints ---


def test_half_written_checkpoints_are_deleted_and_said(broken_off: StudyPaths) -> None:
    half = broken_off.trial(0) / "checkpoint-0005-1.0123.tmp"
    half.mkdir()
    (half / "weights").write_bytes(b"x" * 5000)
    said = found(broken_off, "checkpoints", WATCH)
    assert said.state == State.FAULT and half.exists()
    said = found(broken_off, "checkpoints")
    assert said.state == State.MENDED and not half.exists()
    assert "1 half-written (5 kB), as trials/0000/checkpoint-0005-1.0123.tmp; deleted" in said.says


def test_a_damaged_checkpoint_of_a_waiting_trial_is_a_warning_and_the_winners_a_fault(broken_off: StudyPaths) -> None:
    [waiting] = [t.number for t in read("toy").history.trials if not t.state.ended]
    last = sorted(broken_off.trial(waiting).glob("checkpoint-*"))[-1]
    (last / "state.json").write_text("{}")
    said = found(broken_off, "checkpoints")
    assert said.state == State.WARNING and f"trial {waiting} will go on from an older one" in said.says
    (broken_off.root.parent.parent / "resumed").touch()
    resume("toy", in_process=True)
    winner = read("toy").as_json()["best"]["trial"]
    [best] = broken_off.trial(winner).glob("checkpoint-*")
    (best / "state.json").unlink()
    said = found(broken_off, "checkpoints")
    assert said.state == State.FAULT and "`hpo retrain toy`" in said.says


# --- leftovers of killed drivers ---


def process_of(study: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "300"], env={**os.environ, MARK: str(study)})


def test_processes_of_a_killed_driver_are_ended_and_all_others_live(toy: StudyPaths) -> None:
    orphan, other = process_of(toy.root), process_of(toy.root.with_name("other"))
    try:
        said = found(toy, "leftovers", WATCH)
        assert said.state == State.FAULT and orphan.poll() is None
        said = found(toy, "leftovers")
        assert said.state == State.MENDED and str(orphan.pid) in said.says
        assert orphan.poll() is not None and other.poll() is None
    finally:
        orphan.kill()
        other.kill()
        orphan.wait()
        other.wait()


def test_a_study_that_is_being_run_is_left_alone(toy: StudyPaths) -> None:
    worker = process_of(toy.root)
    try:
        with study_lock(toy):
            [said] = examine_study(toy, Orders())
        assert said.state == State.OK and "being run" in said.says and worker.poll() is None
    finally:
        worker.kill()
        worker.wait()


def test_the_folder_of_a_dead_session_of_ray_is_deleted_and_that_of_another_study_stays(
    toy: StudyPaths, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("sessions")
    monkeypatch.setattr(ray_session, "PLACE", place)
    for name, owner in {"hpo-ray-dead": toy.root, "hpo-ray-other": toy.root.parent}.items():
        (place / name).mkdir()
        (place / name / "study").write_text(str(owner))
    said = found(toy, "leftovers")
    assert said.state == State.MENDED and "1 session of Ray" in said.says
    assert [path.name for path in place.iterdir()] == ["hpo-ray-other"]


def test_what_was_never_made_to_its_end_is_deleted_once_it_is_old(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr(leftovers, "CACHE", cache)
    old = [folder / "studies" / ".toy.abc", folder / ".mlflow.db.0123.tmp", cache / "data" / "0123.abc.tmp"]
    new = folder / "studies" / ".toy.def"
    for path in (*old, new, cache / "data" / "0123"):
        path.mkdir(parents=True)
    for path in (*old, cache / "data" / "0123"):
        os.utime(path, (0, 0))
    [said] = leftovers.unfinished(Orders())
    assert said.state == State.MENDED and said.says.startswith(
        "studies, databases or prepared data never made to the end: 3, as "
    )
    assert not any(path.exists() for path in old) and new.exists() and (cache / "data" / "0123").exists()


# --- rights ---


def test_what_others_could_read_is_closed(toy: StudyPaths) -> None:
    toy.ledger.chmod(0o644)
    toy.root.chmod(0o755)
    said = found(toy, "rights", WATCH)
    assert said.state == State.FAULT and stat.S_IMODE(toy.ledger.stat().st_mode) == 0o644
    assert found(toy, "rights").state == State.MENDED
    assert stat.S_IMODE(toy.ledger.stat().st_mode) == 0o600 and stat.S_IMODE(toy.root.stat().st_mode) == 0o700


def test_a_link_out_of_the_study_is_not_followed(toy: StudyPaths, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "file"
    outside.touch()
    outside.chmod(0o644)
    (toy.root / "link").symlink_to(outside)
    (toy.root / "folder").symlink_to(outside.parent)
    found(toy, "rights")
    assert stat.S_IMODE(outside.stat().st_mode) == 0o644


# --- MLflow ---


def statuses() -> dict[str | None, str]:
    client = mlflow.MlflowClient(tracking_uri=tracking_uri())
    runs = client.search_runs([client.get_experiment_by_name("toy").experiment_id])
    return {run.data.tags.get(TRIAL): run.info.status for run in runs}


def test_runs_that_were_left_running_get_the_states_of_the_ledger(toy: StudyPaths) -> None:
    right = statuses()
    client = mlflow.MlflowClient(tracking_uri=tracking_uri())
    for run in client.search_runs([client.get_experiment_by_name("toy").experiment_id]):
        client.update_run(run.info.run_id, status="RUNNING")
    said = found(toy, "runs", WATCH)
    assert said.state == State.FAULT and set(statuses().values()) == {"RUNNING"}
    said = found(toy, "runs")
    assert said.state == State.MENDED and said.says.startswith(
        "9 show another state than the ledger (the study: RUNNING"
    )
    assert statuses() == right and found(toy, "runs").state == State.OK


def test_a_run_of_a_trial_that_the_ledger_does_not_know_goes_to_the_trash(toy: StudyPaths) -> None:
    client = mlflow.MlflowClient(tracking_uri=tracking_uri())
    experiment = client.get_experiment_by_name("toy").experiment_id
    tags = client.search_runs([experiment])[0].data.tags
    stranger = client.create_run(experiment, tags={"hpo.study_id": tags["hpo.study_id"], TRIAL: "88"})
    other = client.create_run(experiment, tags={TRIAL: "88"})  # of another study of this name
    assert found(toy, "runs").state == State.MENDED
    assert client.get_run(stranger.info.run_id).info.lifecycle_stage == "deleted"
    assert client.get_run(other.info.run_id).info.lifecycle_stage == "active"


def test_an_interrupted_study_waits_in_mlflow_too(broken_off: StudyPaths) -> None:
    assert found(broken_off, "runs").state == State.OK
    assert set(statuses().values()) == {"SCHEDULED"}


def test_a_server_that_is_down_is_a_warning_for_the_study(toy: StudyPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:hunter22@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    said = found(toy, "runs")
    assert said.state == State.WARNING and "hunter22" not in said.says


BEFORE = "UPDATE alembic_version SET version_num = '75868b020152'"  # as a kill between two of MLflow's steps leaves it


def test_an_empty_database_whose_making_was_broken_off_is_made_anew(folder: Path) -> None:
    make(tracking_uri())
    with closing(sqlite3.connect("mlflow.db")) as connection, connection:
        connection.execute(BEFORE)
    [said] = tracking.server(WATCH)
    assert said.state == State.FAULT and "out-of-date database schema" in said.says
    [said] = tracking.server(Orders())
    assert said.state == State.MENDED and said.says.endswith("made anew")
    assert [finding.state for finding in tracking.server(Orders())] == [State.OK]


def test_a_database_of_another_version_is_left_as_it_is_where_it_holds_runs(toy: StudyPaths) -> None:
    with closing(sqlite3.connect("mlflow.db")) as connection, connection:
        connection.execute(BEFORE)
    before = Path("mlflow.db").read_bytes()
    [said] = tracking.server(Orders())
    assert said.state == State.FAULT and "mlflow db upgrade" in said.says
    assert Path("mlflow.db").read_bytes() == before


def test_of_several_drivers_that_make_a_database_at_once_each_takes_the_same(folder: Path) -> None:
    code = "import sys; from hpo.tracking.mlflow_database import make; make(sys.argv[1])"
    both = [subprocess.Popen([sys.executable, "-c", code, tracking_uri()]) for _ in range(2)]
    assert [one.wait(timeout=120) for one in both] == [0, 0]
    assert [path.name for path in Path().iterdir()] == ["mlflow.db"]
    assert [finding.state for finding in tracking.server(Orders())] == [State.OK]


# --- the machine ---


def test_a_dry_run_changes_not_one_byte(broken_off: StudyPaths) -> None:
    (broken_off.trial(0) / "checkpoint-0005-1.0123.tmp").mkdir()
    broken_off.log.chmod(0o644)
    before = contents(Path.cwd())
    assert State.MENDED not in {finding.state for finding in examine_study(broken_off, WATCH)}
    assert contents(Path.cwd()) == before


def test_a_check_that_fails_itself_is_a_fault_and_the_next_one_is_made(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(orders: Orders) -> None:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr("hpo.doctor.CHECKS", [fails, machine.clock])
    first, second = examine([], Orders())
    assert first.state == State.FAULT and "RuntimeError" in first.says and "hunter2" not in first.says
    assert second.check == "clock"


def test_a_study_that_is_not_there_is_a_wrong_argument(folder: Path) -> None:
    with pytest.raises(UsageError, match="there is no study nope"):
        list(examine(["nope"], Orders()))


@pytest.mark.parametrize("bound", ["MIN_FREE", "ENOUGH_FREE"])
def test_too_little_disk_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    assert State.FAULT not in {finding.state for finding in machine.disk(Orders())}
    monkeypatch.setattr(machine, bound, 1e30)
    state = {"MIN_FREE": State.FAULT, "ENOUGH_FREE": State.WARNING}[bound]
    assert {finding.state for finding in machine.disk(Orders())} == {state}


def test_a_package_outside_its_range_and_one_that_is_missing_are_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["numpy>=99", "no-such-package>=1", "pytest>=1; extra == 'test'", "pandas>=1"]
    monkeypatch.setattr(versions, "requires", lambda _: lines)
    says = [finding.says for finding in versions.packages(Orders())]
    assert len(says) == 2 and "pip install 'numpy>=99'" in says[0] and "no-such-package is not installed" in says[1]


@pytest.mark.skipif(sqlite3.sqlite_version_info > versions.WAL_RESET_BUG[1], reason="this SQLite is not affected")
def test_a_database_in_write_ahead_mode_is_a_warning_where_this_sqlite_corrupts_it(toy: StudyPaths) -> None:
    with closing(sqlite3.connect("mlflow.db")) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    [said] = versions.write_ahead("mlflow.db")
    assert said.state == State.WARNING and "PRAGMA journal_mode=DELETE" in said.says


def test_a_stopped_clock_and_few_files_and_little_shared_memory_are_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "RELEASED", time.time() + 60)
    monkeypatch.setattr(machine, "ENOUGH_FILES", 2**62)
    monkeypatch.setattr(machine, "ENOUGH_SHARED", 1e30)
    for check in (machine.clock, machine.open_files, machine.shared_memory):
        assert [finding.state for finding in check(Orders())] == [State.WARNING]


def test_without_a_gpu_torch_is_not_imported(folder: Path) -> None:
    if gpu.gpus():
        pytest.skip("this machine has a GPU")
    code = (
        "import sys; from hpo.doctor import gpu, Orders; print(*gpu.gpu(Orders())); assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and "trials train on the CPU" in done.stdout, done.stderr


def test_a_gpu_that_torch_cannot_use_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a GPU and a driver, as its programs answer."""
    monkeypatch.setattr(gpu, "gpus", lambda: 1)
    monkeypatch.setattr(gpu, "version", lambda _: "2.13.0+cpu")
    assert [finding.state for finding in gpu.gpu(Orders())][-1] == State.FAULT
    monkeypatch.setattr(gpu, "version", lambda _: "2.13.0")
    answer = json.dumps({"cuda": "13.0", "gpus": 0, "error": "torch sees none"})
    monkeypatch.setattr(gpu, "LOOK", [sys.executable, "-c", f"print({answer!r})"])
    last = list(gpu.gpu(Orders()))[-1]
    assert last.state == State.FAULT and "torch sees none" in last.says
    answer = json.dumps({"cuda": "13.0", "gpus": 1, "error": ""})
    monkeypatch.setattr(gpu, "LOOK", [sys.executable, "-c", f"print({answer!r})"])
    assert list(gpu.gpu(Orders()))[-1].state == State.OK


def test_every_check_of_the_machine_has_a_line_of_its_own() -> None:
    assert len(CHECKS) == len(set(CHECKS))

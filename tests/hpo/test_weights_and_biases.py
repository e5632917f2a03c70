"""Weights & Biases' offline runs hold what the ledger holds, once, and nothing of the machine; nothing is sent."""

import gc
import json
import os
import shutil
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from hpo import evaluations
from hpo.history import State
from hpo.ledger import Ledger
from hpo.paths import StudyPaths
from hpo.results import read
from hpo.study_checks import of_tracking
from hpo.tracking.views import WANDB
from hpo.tracking.weights_and_biases import Writer
from tests.faults import traced
from tests.hpo.engines import failure, new_engine, report, run, segment_of, toy_study
from tests.secrets_planted import PLANTED
from tests.test_main_job import HPO

wandb = pytest.importorskip("wandb", reason="pip install wandb")
from wandb.proto import wandb_internal_pb2 as records  # noqa: E402

BLOCK = (
    32 * 1024
)  # of LevelDB's log format: checksum, length, and 1 whole, 2 first, 3 middle or 4 last part of a record
HEADER = struct.Struct("<IHB")
VIEWS = [sys.executable, "-m", "hpo.tracking.views", "toy", WANDB]


def with_paths() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The writer's own process, which can reach nobody."""
    environment, connect = dict(os.environ), socket.socket.connect

    def refuse(self: socket.socket, address: Any) -> None:
        assert self.family == socket.AF_UNIX or address[0].startswith("127."), f"connects to {address}"
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", refuse)
    yield
    wandb.teardown()
    os.environ.clear()
    os.environ.update(environment)


def log(path: Path) -> Iterator[Any]:
    """The records of a run. The library has no reader of them in Python, but has their messages."""
    data, place, whole = path.read_bytes(), 7, b""
    while place + HEADER.size <= len(data):
        if (left := BLOCK - place % BLOCK) < HEADER.size:
            place += left
            continue
        _, length, part = HEADER.unpack_from(data, place)
        whole += data[place + HEADER.size : place + HEADER.size + length]
        place += HEADER.size + length
        if part in (1, 4):
            yield records.Record.FromString(whole)
            whole = b""


def runs(paths: StudyPaths) -> dict[str, list[Any]]:
    """Name -> its records; two runs of a name would be one too many."""
    found: dict[str, list[Any]] = {}
    for path in files(paths):
        read = list(log(path))
        [of_run] = [one.run for one in read if one.HasField("run")]
        assert found.setdefault(of_run.display_name, read) is read
    return found


def history(of_run: list[Any]) -> list[dict[str, Any]]:
    rows = [one.history.item for one in of_run if one.HasField("history")]
    return [{"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in row} for row in rows]


def summary(of_run: list[Any]) -> dict[str, Any]:
    updates = [item for one in of_run if one.HasField("summary") for item in one.summary.update]
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in updates}


def scores(paths: StudyPaths) -> dict[tuple[str, int], list[tuple[float, float]]]:
    """(run, step) -> the values of the objective that stand there, with their times."""
    found: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for name, of_run in runs(paths).items():
        for row in history(of_run):
            found.setdefault((name, row["_step"]), []).append((row["score"], row["_timestamp"]))
    return found


def reported(paths: StudyPaths) -> dict[tuple[str, int], list[Any]]:
    with_step = [one for one in Ledger(paths.ledger).events() if one.kind == "reported" and one.step is not None]
    return {
        (f"trial {one.trial:03d}", one.step): [pytest.approx((one.payload["metrics"]["score"], one.time), rel=1e-12)]
        for one in with_step
    }


def project(paths: StudyPaths) -> None:
    writer = Writer(paths)
    writer.catch_up()
    writer.pause()
    writer.ledger.close()


def test_every_report_stands_at_its_step_and_time_in_its_trial_s_run(folder: Path) -> None:
    run(new_engine(folder, toy_study()))
    paths, results = StudyPaths.of("toy"), read("toy")
    Writer(paths).catch_up()
    written = [one for one in psutil.Process().children() if one.name() == "wandb-core"]
    assert not written, "while it lives, a run that is noted may not be in its file"
    assert scores(paths) == reported(paths)
    found = runs(paths)
    assert len(found) == len(results.history.trials)
    for trial in results.history.trials:
        of_run = found[f"trial {trial.number:03d}"]
        [head] = [one.run for one in of_run if one.HasField("run")]
        config = {item.key: json.loads(item.value_json) for item in head.config.update if item.key != "_wandb"}
        assert config == trial.params
        assert (head.run_group, head.project, list(head.tags)) == ("toy", "hpo", [trial.state.lower()])
        assert head.notes == trial.reason
        if trial.state in (State.COMPLETE, State.PRUNED):
            best = trial.best(results.objective)
            assert best and summary(of_run)["best/score"] == best.metrics["score"]
            assert summary(of_run)["best/step"] == best.step


def files(paths: StudyPaths) -> list[Path]:
    return sorted((paths.root / "wandb").glob("offline-run-*/run-*.wandb"))


def test_runs_that_were_cut_off_anywhere_are_whole_and_single_in_the_end(folder: Path) -> None:
    """Also where they had been written and not noted, or in part."""
    engine = new_engine(folder, toy_study())
    paths = StudyPaths.of("toy")
    cursor = paths.root / "wandb" / "cursor.json"
    writer, told, names = Writer(paths), 0, set()

    def tell(event: Any) -> None:
        nonlocal told, writer
        told += 1
        if told % 17 == 0:
            writer.catch_up()
            writer.pause()
            names.update(path.name for path in files(paths))
        if told % 31 == 0:
            noted = cursor.read_bytes()
            writer.catch_up()
            cursor.write_bytes(noted)
            events = writer.ledger.events()[: json.loads(noted)["row"]]
            ended = {f"_{one.trial:04d}.wandb" for one in events if one.kind == "ended"}
            for path in files(paths):
                if not path.name.endswith(tuple(ended)):
                    path.write_bytes(path.read_bytes()[:100])
            writer = Writer(paths)

    engine.tell = tell
    run(engine)
    writer.catch_up()
    assert told > 62 and scores(paths) == reported(paths)
    assert len(names) > 3 and names <= {path.name for path in files(paths)}, "an upload would make two of one"


def test_a_driver_that_stops_leaves_nothing_out(folder: Path) -> None:
    engine = new_engine(folder, toy_study(search={"searcher": "random", "scheduler": "fifo", "trials": 2}))
    segment = segment_of(engine)
    for step in (1, 2):
        engine.reported(segment, report(step, score=-step))
    paths = StudyPaths.of("toy")
    project(paths)
    assert scores(paths) == reported(paths) and len(reported(paths)) == 2


def test_a_note_of_another_ledger_counts_for_nothing(folder: Path) -> None:
    run(new_engine(folder, toy_study(search={"trials": 3})))
    paths = StudyPaths.of("toy")
    project(paths)
    (paths.root / "wandb" / "cursor.json").write_text('{"row": 5, "time": 1.0}')
    project(paths)
    assert scores(paths) == reported(paths)


def kill_the_library_s_process(paths: StudyPaths) -> None:
    """As soon as it writes; and wait for it, as the library does not where it was killed."""
    while not files(paths):
        time.sleep(0.001)
    [process] = [one for one in psutil.Process().children() if one.name() == "wandb-core"]
    process.kill()
    # not `isinstance`: of other tests' objects some warn, or import, where they are asked for their class
    [known] = [one for one in gc.get_objects() if type(one) is subprocess.Popen and one.pid == process.pid]
    known.wait()
    for left in Path(tempfile.gettempdir()).glob(f"wandb-*-{process.pid}-*"):
        shutil.rmtree(left)


def test_it_goes_on_where_wandb_s_own_process_has_died(folder: Path) -> None:
    run(new_engine(folder, toy_study(search={"trials": 20})))
    paths = StudyPaths.of("toy")
    writer = Writer(paths)
    killer = threading.Thread(target=kill_the_library_s_process, args=(paths,))
    killer.start()
    with suppress(Exception):
        writer.catch_up()
    killer.join()
    assert not writer.sent
    writer.catch_up()
    assert scores(paths) == reported(paths)
    assert [one.evaluations for one in writer.history.trials] == [one.evaluations for one in read("toy").history.trials]


def test_the_winner_s_classes_and_mistakes_are_tables(folder: Path) -> None:
    run(new_engine(folder, toy_study(search={"trials": 3})))
    paths, results = StudyPaths.of("toy"), read("toy")
    winner = results.winner
    best = winner.best(results.objective) if winner else None
    assert winner and best
    evaluation = {
        "classes": {"cat": {"f1": 0.5, "support": 4}, "dog": {"f1": 0.75, "support": 6}},
        "confusion": [[2, 2], [1, 5]],
        "wrong": [{"row": 3, "text": "a small one", "truth": "cat", "said": "dog", "confidence": 0.9}],
    }
    evaluations.write(paths.trial(winner.number), best.step, evaluation)
    project(paths)
    [row] = history(runs(paths)[f"winner: trial {winner.number:03d}"])
    assert row["_step"] == best.step and row["_timestamp"] == pytest.approx(best.time, rel=1e-12)
    [media] = (paths.root / "wandb").glob("offline-run-*_winner/files/media/table")
    tables = {path.name.split("_")[0]: json.loads(path.read_text()) for path in media.iterdir()}
    assert {name: (one["columns"], one["data"]) for name, one in tables.items()} == {
        "classes": (["class", "f1", "support"], [["cat", 0.5, 4], ["dog", 0.75, 6]]),
        "confusion": (["true class / predicted", "cat", "dog"], [["cat", 2, 2], ["dog", 1, 5]]),
        "wrong": (["text", "true", "predicted", "confidence"], [["a small one", "cat", "dog", "0.9"]]),
    }


def test_no_secret_and_nothing_of_the_machine_stands_in_the_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_NOTES", PLANTED[0].text)
    for index, secret in enumerate(PLANTED):
        monkeypatch.setenv(f"PLANTED_{index}", secret.text)
        for name, value in secret.environment.items():
            monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["hpo", *(secret.text for secret in PLANTED)])
    engine = new_engine(folder, toy_study(search={"searcher": "random", "scheduler": "fifo", "trials": len(PLANTED)}))
    for secret in PLANTED:
        segment = segment_of(engine)
        engine.failed(segment, failure(f"ValueError: {secret.text}"))
    paths = StudyPaths.of("toy")
    project(paths)
    wandb.teardown()
    found = {path: path.read_bytes() for path in (paths.root / "wandb").rglob("*") if path.is_file()}
    assert len(files(paths)) > 3
    assert sum(data.count(b"[redacted]") for data in found.values()) >= len(files(paths))
    assert {one.run.host for of_run in runs(paths).values() for one in of_run if one.HasField("run")} == {"hpo"}
    wanted = [*(one.secret for one in PLANTED), f'"{socket.gethostname()}"', str(home), sys.executable]
    assert not [(one, path) for path, data in found.items() for one in wanted if one.encode() in data]
    assert stat.S_IMODE((paths.root / "wandb").stat().st_mode) == 0o700
    assert not list(home.iterdir()), "the home folder is a person's own"


@pytest.mark.hard
def test_neither_process_asks_the_network_and_wandb_finds_every_run_to_upload(folder: Path) -> None:
    if reason := traced.missing():
        pytest.skip(reason)
    run(new_engine(folder, toy_study(tracking={"wandb": True})))
    paths = StudyPaths.of("toy")
    command = ["strace", "-f", "-e", "trace=connect,sendto", "-o", "trace", *VIEWS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=with_paths()) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(b"finish\n")
        process.stdin.flush()
        *_, last = process.stdout  # before it now and then how much is left
        assert json.loads(last) == {WANDB: ""}
    calls = [line for line in Path("trace").read_text().splitlines() if "sa_family" in line]
    assert calls and all("AF_UNIX" in call for call in calls)
    assert scores(paths) == reported(paths)
    folders = [path.parent for path in files(paths)]
    listed = subprocess.run(
        [sys.executable, "-m", "wandb", "sync", "--dry-run", *map(str, folders)],
        capture_output=True, text=True, env=with_paths(),
    )  # fmt: skip
    assert all(one.name in listed.stdout + listed.stderr for one in folders), listed


@pytest.mark.hard
def test_a_driver_that_is_killed_leaves_no_process_and_its_resumption_no_gap_and_no_double(folder: Path) -> None:
    (folder / "slow.yaml").write_text(
        "study: slow\ntrainable: tests.toy:epochs\nobjective: {maximize: score}\ntracking: {wandb: true}\n"
        "config: {seconds: 0.03, max_epochs: 9}\nsearch_space: {x: {uniform: [-5.0, 5.0]}}\n"
        "search: {searcher: random, scheduler: fifo, trials: 14}\n"
    )
    paths = StudyPaths.of("slow")
    with tempfile.TemporaryDirectory() as temporary:  # near the root, as the path of a socket has 107 characters
        driver = subprocess.Popen(
            [HPO, "run", "slow.yaml", "--in-process"],
            stdout=subprocess.DEVNULL,
            env=with_paths() | {"TMPDIR": temporary},
        )
        deadline = time.monotonic() + 60
        below: list[psutil.Process] = []
        while "wandb-core" not in [one.name() for one in below]:
            assert time.monotonic() < deadline and driver.poll() is None
            time.sleep(0.02)
            below = psutil.Process(driver.pid).children(recursive=True)
        driver.kill()
        driver.wait()
        psutil.wait_procs(below, timeout=30)
        assert not [one for one in below if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
        assert not [path for path in Path(temporary).iterdir() if "wandb" in path.name]
    subprocess.run([HPO, "resume", "slow", "--in-process"], check=True, capture_output=True, env=with_paths())
    assert len(runs(paths)) == 14 and scores(paths) == reported(paths)


def test_a_study_that_asks_for_it_is_refused_where_it_is_not_installed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = toy_study(tracking={"wandb": True})
    assert not list(of_tracking(study))
    (folder / "wandb").mkdir()  # of another program's runs
    monkeypatch.delitem(sys.modules, "wandb")
    monkeypatch.setattr(sys, "path", [str(folder)])
    assert list(of_tracking(study)) == [
        (("tracking", "wandb"), "needs wandb, which is not installed; `pip install 'hpo[wandb]'`, or leave it out")
    ]
    assert not list(of_tracking(toy_study()))

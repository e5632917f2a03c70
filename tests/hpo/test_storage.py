"""Checkpoints in a storage that workers and driver reach by its URL: a shared folder, and an S3 bucket."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpo import desk, storage
from hpo.driver import start
from hpo.errors import DiskError, UsageError
from hpo.event import Event
from hpo.history import State
from hpo.paths import StudyPaths
from hpo.study import Study
from tests.hpo.engines import new_engine, run, segment_of, toy_study
from tests.mlflow_server import s3
from tests.toy import noted
from train_fn.checkpoint import CheckpointError, commit, verify


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with s3(tmp_path_factory.mktemp("s3"), "checkpoints") as environment:
        yield environment


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.hard)])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty storage."""
    if request.param == "folder":
        yield f"file://{tmp_path}/shared"
        return
    for name, value in request.getfixturevalue("bucket").items():
        monkeypatch.setenv(name, value)
    yield f"s3://checkpoints/{tmp_path.name}"


def a_checkpoint(folder: Path) -> Path:
    def save(to: Path) -> None:
        (to / "model").mkdir()
        (to / "model" / "weights").write_bytes(bytes(range(256)) * 100)
        (to / "state.json").write_text("{}")

    commit(folder, save)
    return folder


def test_what_is_fetched_is_byte_for_byte_what_was_put(place: str, tmp_path: Path) -> None:
    url = f"{place}/0003/checkpoint-0001-1"
    storage.put(a_checkpoint(tmp_path / "here"), url)
    assert storage.size(url) == 25_602 and storage.names(f"{place}/0003") == ["checkpoint-0001-1"]
    assert storage.folders(place) == {"0003/checkpoint-0001-1", "0003/checkpoint-0001-1/model"}
    storage.fetch(url, tmp_path / "there")
    verify(tmp_path / "there")
    assert (tmp_path / "there/model/weights").read_bytes() == (tmp_path / "here/model/weights").read_bytes()
    storage.discard(url)
    storage.discard(url)
    assert storage.names(f"{place}/0003") == [] and storage.folders(place) == set()
    with pytest.raises(CheckpointError, match="must hold manifest.json"):
        storage.size(url)


def test_a_checkpoint_without_its_manifest_is_none_and_a_changed_one_is_deleted(place: str, tmp_path: Path) -> None:
    """Whatever moment a node dies at: the manifest is the last file that comes and the first that goes."""
    here, url = a_checkpoint(tmp_path / "here"), f"{place}/0000/checkpoint-0001-1"
    (tmp_path / "half").mkdir()
    (tmp_path / "half/state.json").write_text("{}")
    with pytest.raises(FileNotFoundError):
        storage.put(tmp_path / "half", url)  # its last file does not come
    with pytest.raises(CheckpointError, match="must hold manifest.json, got none in"):
        storage.size(url)
    storage.put(here, url)
    (here / "state.json").write_text("[]")  # as long as before
    storage.put(here, url)
    assert storage.size(url) == 25_602, "which reads no byte of it"
    with pytest.raises(CheckpointError, match="must be unchanged, got another state.json in .*0000/checkpoint-0001-1"):
        storage.fetch(url, tmp_path / "there")
    assert storage.names(f"{place}/0000") == [], "so that the next attempt takes an older one"


@pytest.mark.parametrize("moment", [1, 2, 3])
def test_a_node_that_dies_while_it_brings_a_checkpoint_leaves_none(
    moment: int, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied, whole = [0], storage.shutil.copyfileobj

    def dies(source: object, target: object, length: int) -> None:
        copied[0] += 1
        if copied[0] == moment:
            raise KeyboardInterrupt
        whole(source, target, length)

    monkeypatch.setattr(storage.shutil, "copyfileobj", dies)
    with pytest.raises(KeyboardInterrupt):
        storage.put(a_checkpoint(tmp_path / "here"), f"{place}/0000/checkpoint-0001-1")
    with pytest.raises(CheckpointError, match="must hold manifest.json|must be readable, got damaged JSON"):
        storage.size(f"{place}/0000/checkpoint-0001-1")


def with_storage(place: str, folder: Path, **changes: object) -> Study:
    witness = {"max_epochs": 5, "witness": str(folder / "witness.jsonl")}
    return toy_study(**{"ray": {"storage": place}, "config": witness, **changes})


def test_a_study_leaves_its_winner_at_home_and_nothing_in_the_storage(place: str, tmp_path: Path) -> None:
    engine = run(new_engine(tmp_path, with_storage(place, tmp_path)))
    winner = engine.history.winner(engine.study.objective)
    assert winner is not None and (best := winner.best(engine.study.objective)) and best.checkpoint
    [home] = (tmp_path / "studies/toy/trials").glob("*/checkpoint-*")
    assert home == StudyPaths(tmp_path / "studies/toy").trial(winner.number) / best.checkpoint
    verify(home)
    assert json.loads((home / "state.json").read_text()) == {"epoch": best.epoch}
    assert storage.folders(place) == set()
    assert not list(Path(os.environ.get("TMPDIR", "/tmp")).glob(f"{desk.PREFIX}*")), "on the worker's machine"
    again = new_engine(tmp_path, engine.study)
    assert len(again.ledger.events()) == len(engine.ledger.events()), "a second resume changes nothing"


def test_a_trial_goes_on_from_the_storage_after_its_worker_or_its_driver_is_lost(place: str, tmp_path: Path) -> None:
    study = with_storage(place, tmp_path, search={"searcher": "random", "scheduler": "fifo", "trials": 1})
    for moment in ("worker", "driver"):
        engine = new_engine(tmp_path, study)
        lost_at_the_third_report(engine, worker=moment == "worker")
    run(new_engine(tmp_path, study))
    begun = [line["epoch"] for line in noted(tmp_path / "witness.jsonl", "begun")]
    trained = [line["epoch"] for line in noted(tmp_path / "witness.jsonl")]
    assert begun[0] == 0 and all(epoch > 0 for epoch in begun[1:]) and sorted(set(trained)) == [1, 2, 3, 4, 5]
    assert len(trained) - 5 <= len(begun) - 1, "at most one epoch again for each loss"


def lost_at_the_third_report(engine, worker: bool) -> None:  # type: ignore[no-untyped-def]
    from hpo.worker import run_segment

    segment = segment_of(engine)
    said = run_segment(segment)
    for _ in range(2):
        if not (word := next(said, None)):
            break
        engine.reported(segment, word)
    next(said, None)  # delivered, and never acknowledged
    said.close()
    if worker:
        engine.lost(segment, "its machine died", counts=False)
    engine.ledger.close()


def test_what_a_trainable_raises_fails_its_trial_and_is_no_fault_of_the_disk(place: str, tmp_path: Path) -> None:
    study = with_storage(place, tmp_path, search={"searcher": "random", "scheduler": "fifo", "trials": 1})
    study.config["fails_at"] = 2
    [trial] = run(new_engine(tmp_path, study)).history.trials
    assert trial.state is State.FAILED and "RuntimeError: broken in epoch 2" in trial.reason


def test_a_study_begun_at_home_goes_on_in_a_storage_and_not_the_other_way(place: str, tmp_path: Path) -> None:
    home = with_storage(place, tmp_path, ray={}, search={"searcher": "random", "scheduler": "fifo", "trials": 1})
    lost_at_the_third_report(new_engine(tmp_path, home), worker=False)
    moved = home.model_copy(update={"ray": with_storage(place, tmp_path).ray})
    engine = new_engine(tmp_path, moved)
    assert (segment := segment_of(engine)).from_step == 2
    assert segment.checkpoint and segment.checkpoint.startswith(place) and storage.size(segment.checkpoint)
    engine.ledger.close()
    with pytest.raises(UsageError, match=f"lie in {place}, got no storage; go on with --set ray.storage={place}"):
        new_engine(tmp_path, home)


def test_what_no_report_tells_of_is_deleted_also_when_it_comes_late(place: str, tmp_path: Path) -> None:
    """A node that was cut off goes on for a while; its fencing token is in the name of what it brings."""
    study = with_storage(place, tmp_path)
    engine = new_engine(tmp_path, study)
    late = f"{segment_of(engine).storage}/checkpoint-0009-1"
    storage.put(a_checkpoint(tmp_path / "late"), late)
    engine.ledger.close()
    run(new_engine(tmp_path, study))
    assert storage.folders(place) == set()


def test_a_storage_that_does_not_answer_stops_the_study_to_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, events = f"file://{tmp_path}/shared", list[Event]()
    (tmp_path / "shared").write_text("a file in its place")
    engine = new_engine(tmp_path, with_storage(place, tmp_path))
    engine.tell = events.append
    with pytest.raises(DiskError, match=f"{place}.* cannot be used: .*; mend that, then `hpo resume toy`"):
        run(engine)
    assert not [trial for trial in engine.history.trials if trial.state is State.FAILED]
    engine.ledger.close()
    (tmp_path / "shared").unlink()
    assert run(new_engine(tmp_path, engine.study)).history.finished


def test_a_storage_that_the_driver_cannot_use_is_named_with_the_way_out(folder: Path) -> None:
    with pytest.raises(DiskError, match="fsspec.nowhere://x.* cannot be used: .*; mend that, then `hpo resume toy`"):
        start(toy_study(ray={"storage": "fsspec+nowhere://x"}), text="", in_process=True)


@pytest.mark.parametrize(
    ("ray", "says"),
    [
        ({"address": "auto"}, "storage is needed beside address"),
        ({"address": "ray://head:10001", "storage": "/shared"}, "runs on a machine of the cluster"),
        ({"address": "http://head", "storage": "/shared"}, "address"),
        ({"storage": "shared"}, "must be a URL such as s3://bucket/hpo, or an absolute folder, got shared"),
        ({"storage": "s3://me:hidden@bucket"}, "must be a URL without key or password"),
        ({"storage": "s3://bucket/x?secret_key=hidden"}, "must be a URL without key or password"),
    ],
)
def test_a_cluster_is_refused_that_cannot_work_or_that_names_a_key(ray: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        toy_study(ray=ray)
    assert "without key" not in says or "hidden" not in str(caught.value).partition("[type")[0]

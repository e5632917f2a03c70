"""Whatever happens between driver and MLflow: no row lost, none doubled, no run twice, none left RUNNING."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import mlflow
import pytest

from hpo.driver import catch_up, start
from hpo.paths import StudyPaths
from hpo.tracking import projection
from hpo.tracking.mlflow import Writer, tracking_uri
from tests.faults.mlflow_faults import assert_exact, caught_up, killed, shown
from tests.hpo.test_engine import toy_study
from tests.mlflow_server import Faults, proxy, server

pytestmark = pytest.mark.hard


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with server(tmp_path_factory.mktemp("server")) as address:
        yield address


def test_of_a_network_that_fails_in_every_way_nothing_is_seen_in_the_end(
    folder: Path, tracking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = Faults(rate=0.4, most=40)
    monkeypatch.setattr(projection, "EVERY_SECONDS", 0.05)
    monkeypatch.setattr(projection, "LAST_WAIT", 0.01)
    with proxy(tracking, faults) as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        caught_up("faults")
    assert faults.happened.total() >= 10 and set(faults.happened) == {*faults.ways}
    assert_exact(tracking, "faults")


def test_a_run_that_a_lost_reply_made_is_the_one_that_is_used(
    folder: Path, tracking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(
        toy_study(study="replies", config={"max_epochs": 2}, search={"trials": 4}), text="study: toy", in_process=True
    )
    faults = Faults(rate=0.25, ways=("loses the reply",))
    with proxy(tracking, faults) as address:
        writer = None
        for _ in range(500):
            try:
                writer = writer or Writer(StudyPaths.of("replies"), address)
                writer.catch_up()
                writer.pause()
                break
            except Exception:
                continue
    assert faults.happened["loses the reply"] >= 5
    assert_exact(tracking, "replies")
    client = mlflow.MlflowClient(tracking_uri=tracking)
    experiment = client.get_experiment_by_name("replies").experiment_id
    assert len(client.search_runs([experiment], run_view_type=3)) == 5, "nor is there one in the trash"


def test_a_run_that_was_created_twice_is_kept_once(
    folder: Path, tracking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a request that reaches the server long after it was given up."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking)
    start(toy_study(study="late", search={"trials": 2}), text="study: toy", in_process=True)
    client = mlflow.MlflowClient(tracking_uri=tracking)
    for [run] in shown(tracking, "late").values():
        tags = {key: run.data.tags[key] for key in ("hpo.study_id", "hpo.trial") if key in run.data.tags}
        client.create_run(run.info.experiment_id, tags=tags)
    catch_up("late")
    assert_exact(tracking, "late")


def test_killed_drivers_leave_no_run_that_runs(folder: Path, tracking: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking)
    killed("kills", 3, Random(0))
    assert_exact(tracking_uri(), "kills")

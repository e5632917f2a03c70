"""A folder of its own for each test, with its own cache and tracking database."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import postgresql as servers
from train_fn.seal import SEALS

# A CI that runs in the background has Ctrl-C ignored, and every process that a test starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

PROJECT = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory, as a person would start in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    yield tmp_path
    os.environ.pop("MLFLOW_TRACKING_URI", None)  # which MLflow itself sets


@pytest.fixture(autouse=True)
def nothing_stays_sealed() -> Iterator[None]:
    """A segment that a test leaves open would keep the test split from every test after it."""
    yield
    left, SEALS[:] = SEALS[:], []
    assert not left, "a segment was left open: close what `run_segment` gave"


@pytest.fixture(scope="session")
def postgresql() -> Iterator[servers.Cluster]:
    """A PostgreSQL server of the tests' own."""
    if servers.programs() is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    with servers.cluster() as cluster:
        yield cluster

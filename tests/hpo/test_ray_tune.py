"""What Ray Tune's controller would do if it were left alone, and when Ray is shut down."""

import os
import subprocess
import sys

import pytest

from tests.hpo.typed import PROJECT

TRIALS, MOST = 24, 8  # ended trials that are still held; those that ran side by side may be
DRIVER = f"""
import gc
from pathlib import Path
from hpo.executors.ray_tune import execute, ray  # first: it sets what Ray reads on import
from ray.tune.experiment.trial import Trial
from tests.hpo.engines import new_engine, toy_study

search = {{"searcher": "random", "scheduler": "fifo", "trials": {TRIALS}}}
engine = new_engine(Path(), toy_study(search=search, config={{"max_epochs": 1}}, resources={{"cpu": 1, "gpu": 0}}))
shutdown = ray.shutdown

def told(event):
    if event.kind == "ended":
        gc.collect()
        print("held", sum(type(one) is Trial and one.is_finished() for one in gc.get_objects()))

def shut():
    print("finished", engine.history.finished)
    shutdown()

engine.tell, ray.shutdown = told, shut
execute(engine)
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Lines of a study on Ray: how many ended trials Tune held whenever one ended, and the state at Ray's shutdown."""
    env = os.environ | {"PYTHONPATH": str(PROJECT)}
    folder = tmp_path_factory.mktemp("study")
    ran = subprocess.run([sys.executable, "-c", DRIVER], cwd=folder, env=env, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def test_a_trial_that_has_ended_is_let_go(said: list[str]) -> None:
    held = [int(line.split()[1]) for line in said if line.startswith("held ")]
    assert len(held) == TRIALS and max(held) <= MOST, held


def test_a_study_is_finished_before_ray_shuts_down_so_that_its_views_write_meanwhile(said: list[str]) -> None:
    assert [line for line in said if line.startswith("finished ")][0] == f"finished all {TRIALS} trials ended"

"""Ray Tune's controller, left alone, keeps every trial until the study ends."""

import os
import subprocess
import sys
from pathlib import Path

from tests.hpo.typed import PROJECT

TRIALS, MOST = 24, 8  # ended trials that are still held; those that ran side by side may be
DRIVER = f"""
import gc
from pathlib import Path
from hpo.executors.ray_tune import execute  # first: it sets what Ray reads on import
from ray.tune.experiment.trial import Trial
from tests.hpo.engines import new_engine, toy_study

search = {{"searcher": "random", "scheduler": "fifo", "trials": {TRIALS}}}
engine = new_engine(Path(), toy_study(search=search, config={{"max_epochs": 1}}, resources={{"cpu": 1, "gpu": 0}}))

def told(event):
    if event.kind == "ended":
        gc.collect()
        print("held", sum(type(one) is Trial and one.is_finished() for one in gc.get_objects()))

engine.tell = told
execute(engine)
"""


def test_a_trial_that_has_ended_is_let_go(folder: Path) -> None:
    env = os.environ | {"PYTHONPATH": str(PROJECT)}
    ran = subprocess.run([sys.executable, "-c", DRIVER], cwd=folder, env=env, capture_output=True, text=True)
    held = [int(line.split()[1]) for line in ran.stdout.splitlines() if line.startswith("held ")]
    assert ran.returncode == 0 and len(held) == TRIALS, ran.stderr
    assert max(held) <= MOST, held

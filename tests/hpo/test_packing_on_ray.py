"""A study on Ray whose trials share the machine by what was measured; stopped and gone on with."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hpo.ledger import Ledger
from tests.test_main_job import HPO, PROJECT, hpo

STUDY = """
study: hungry
trainable: tests.hungry:epochs
objective: {maximize: score}
config: {max_epochs: 4, seconds: 0.2}
search_space:
  rows: {choice: [1, 200]}
  rate: {uniform: [0.0, 1.0]}
search: {searcher: random, scheduler: fifo, trials: 8}
resources: {cpu: auto, gpu: 0}
"""


@pytest.mark.hard
def test_a_study_on_ray_is_measured_once_however_often_it_is_resumed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    (folder / "hungry.yaml").write_text(STUDY)
    checked = hpo(folder, "check", "hungry.yaml").stdout
    assert "packing: how many trials share a device will be measured" in checked
    with subprocess.Popen([HPO, "run", "hungry.yaml"], cwd=folder, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        said = []
        for line in run.stdout:
            said.append(line)
            if "complete" in line and not any("complete" in before for before in said[:-1]):
                run.send_signal(signal.SIGTERM)
    assert run.returncode == 75, said
    hpo(folder, "resume", "hungry")
    ledger = Ledger(folder / "studies" / "hungry" / "ledger.db")
    events = ledger.events()
    ledger.close()
    [measured] = [event for event in events if event.kind == "measured"]
    assert any(line.startswith("packing: ") and " of " in line for line in said), said
    assert {need["params"]["rows"] for need in measured.payload["needs"]} == {1, 200}
    cores = len(os.sched_getaffinity(0))
    assert measured.payload["device"]["cores"] >= 1
    running: dict[int, int] = {}
    for event in events:
        if event.kind == "started" and event.trial is not None:
            running[event.trial] = event.payload["cpus"]
        elif event.kind in ("ended", "lost", "opened"):
            running = {} if event.kind == "opened" else {k: v for k, v in running.items() if k != event.trial}
        assert sum(running.values()) <= max(cores, measured.payload["device"]["cores"])


SHARED = """
from pathlib import Path
from hpo.executors.ray_tune import execute
from hpo.packing import Need, Packing
from hpo.preflight import device_of
from hpo.study_file import load_study
from tests.hpo.engines import new_engine

points = "[{rows: 200, rate: 0.1}, {rows: 1, rate: 0.2}, {rows: 1, rate: 0.3}]"
study = load_study(Path("hungry.yaml"), ["search.trials=3", f"search.points={points}"])
device = device_of(study.resources, 2, 0)
small = Need(params={"rows": 1}, memory=device.memory // 10)
large = Need(params={"rows": 200}, memory=device.memory // 10 * 8)
engine = new_engine(Path.cwd(), study)
engine.measured(Packing(device=device, at_once=2, gpu=0.0, needs=(small, large)))
execute(engine)
"""


@pytest.mark.hard
def test_on_ray_a_large_trial_has_the_machine_to_itself_and_small_ones_share_it(folder: Path) -> None:
    (folder / "hungry.yaml").write_text(STUDY)
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run([sys.executable, "-c", SHARED], capture_output=True, text=True, timeout=280, env=environment)
    assert done.returncode == 0, done.stderr
    ledger = Ledger(folder / "studies" / "hungry" / "ledger.db")
    events = ledger.events()
    ledger.close()
    assert len([event for event in events if event.kind == "measured"]) == 1, "it was there, and not measured again"
    rows = {
        number: event.payload["params"]["rows"] for number, event in enumerate(e for e in events if e.kind == "asked")
    }
    running: set[int] = set()
    together = set()
    for event in events:
        if event.kind == "started" and event.trial is not None:
            running.add(event.trial)
            assert event.payload["cpus"] == {1: 1, 200: 2}[rows[event.trial]]
            together.add(tuple(sorted(rows[number] for number in running)))
        elif event.kind == "ended" and event.trial is not None:
            running.discard(event.trial)
    assert together == {(1,), (200,), (1, 1)}, "a large trial never has company"

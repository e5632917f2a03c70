"""A trainable that leaves: by `sys.exit` it has failed, by a signal its worker is lost; the study goes on.

So it does after a fault of a GPU, which leaves a process without it: no other trial is given to that worker.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from hpo import results
from hpo.history import State
from tests.hpo.typed import PROJECT
from train_fn.report import Report

STUDY = """\
study: exits
trainable: tests.hpo.test_exits_on_ray:epochs
objective: {maximize: score}
config: {max_epochs: 4}
search_space: {leaves: {choice: [by a GPU, never, not at all, by no means, by exit, by signal]}}
search: {searcher: grid, scheduler: fifo, trials: 6}
resources: {cpu: 1, gpu: 0}
workers: {retries: 1}
"""


@dataclass(frozen=True, kw_only=True)
class Config:
    leaves: str = "never"
    max_epochs: int = 4


def epochs(config: Config, resume_from: Path | None = None) -> Iterator[Report]:
    for epoch in range(1, config.max_epochs + 1):
        if epoch == 3 and config.leaves == "by exit":
            sys.exit("no more rows")
        if epoch == 3 and config.leaves == "by signal":
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)  # the signal is heard in here
        if epoch == 3 and config.leaves == "by a GPU":
            raise torch.AcceleratorError("CUDA error: device-side assert triggered")
        yield Report(epoch=epoch, metrics={"score": epoch, "process": os.getpid()})


@pytest.mark.hard
def test_on_ray_an_exit_fails_its_trial_in_its_own_words_and_a_signal_loses_its_worker(folder: Path) -> None:
    (folder / "study.yaml").write_text(STUDY)
    done = subprocess.run(
        [sys.executable, "-m", "hpo", "run", "study.yaml"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = results.read("exits")
    ends = {trial.params["leaves"]: (trial.state, trial.reason) for trial in found.history.trials}
    assert ends["never"] == (State.COMPLETE, "ran to its end")
    assert ends["by exit"][0] is State.FAILED
    assert re.fullmatch(r"SystemExit: no more rows \(test_exits_on_ray\.py:\d+\)", ends["by exit"][1])
    assert ends["by signal"][0] is State.FAILED and "the worker process died" in ends["by signal"][1]
    lost = {event.trial for event in found.events if event.kind == "lost"}
    assert {found.history.trials[trial or 0].params["leaves"] for trial in lost} == {"by signal"}
    assert ends["by a GPU"][0] is State.FAILED
    assert re.match(r"AcceleratorError: CUDA error: device-side assert triggered \(test_ex", ends["by a GPU"][1])
    tries = [(event.trial, event.payload["metrics"]["process"]) for event in found.events if event.kind == "reported"]
    [broken] = [trial.number for trial in found.history.trials if trial.params["leaves"] == "by a GPU"]
    lost_devices = {process for trial, process in tries if trial == broken}
    assert len(lost_devices) == 2, "it was tried once more by another process, as the machine might have been at fault"
    last = {process: trial for trial, process in tries}
    assert {last[process] for process in lost_devices} == {broken}, "no other trial came after it"

"""A run is a function of its config alone, and leaves nothing behind."""

import copy
import json
import pickle
import random
import subprocess
import sys
import warnings

import numpy
import pytest
import torch

from train_fn.text import epochs, train

# one run with each kind of ingredient that has randomness or state of its own
RICH = {
    "hidden_dropout": 0.2,
    "micro_batch_size": 5,
    "ema_decay": 0.9,
    "r_drop": 0.5,
    "sampling_power": 0.5,
    "schedule": "one_cycle",
    "eval_epochs": 0.5,
}
SETTINGS = [{}, RICH, {"lora_rank": 2, "optimizer": "sgd"}]


@pytest.mark.parametrize("settings", SETTINGS, ids=["plain", "rich", "lora"])
def test_equal_configs_give_equal_reports(toy, steady, settings):
    first, again = train(toy(**settings)), train(toy(**settings))
    assert [steady(report) for report in first] == [steady(report) for report in again]


@pytest.mark.parametrize("settings", SETTINGS, ids=["plain", "rich", "lora"])
def test_another_run_in_between_changes_nothing(toy, steady, settings):
    alone = [steady(report) for report in train(toy(**settings))]
    run, together = epochs(toy(**settings)), []
    for report in run:
        together.append(steady(report))
        train(toy(seed=5, max_epochs=1, precision="bf16", optimizer="adafactor", lora_rank=1))
    assert together == alone


def test_two_processes_give_the_same_reports(toy, steady):
    config = toy(**RICH)
    script = (
        "import json, pickle, sys, torch; torch.set_num_threads(1);"
        "from train_fn.text import train;"
        "config = pickle.loads(sys.stdin.buffer.read());"
        "print(json.dumps([dict(report.metrics) for report in train(config)]))"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        input=pickle.dumps(config),
        capture_output=True,
        check=True,
    )
    elsewhere = [
        {name: value for name, value in metrics.items() if not name.startswith(("time/", "speed/", "memory/"))}
        for metrics in json.loads(ran.stdout)
    ]
    assert elsewhere == [steady(report) for report in train(config)]


def test_another_seed_gives_other_reports(toy, steady):
    assert steady(train(toy(seed=0))[0]) != steady(train(toy(seed=1))[0])


def global_state():
    return copy.deepcopy(
        (
            random.getstate(),
            [part.tolist() if isinstance(part, numpy.ndarray) else part for part in numpy.random.get_state()],
            torch.get_rng_state().tolist(),
            (torch.get_default_dtype(), torch.is_grad_enabled(), torch.is_autocast_enabled("cpu")),
            (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()),
            (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.benchmark),
            numpy.geterr(),
            warnings.filters[:],
        )
    )


@pytest.mark.parametrize("settings", SETTINGS, ids=["plain", "rich", "lora"])
def test_the_caller_s_random_streams_and_settings_are_left_alone(toy, settings):
    train(toy(**settings))  # importing a library may add to the filters of warnings
    before = global_state()
    for _ in epochs(toy(**settings)):
        assert global_state() == before
    assert global_state() == before


def test_what_the_caller_draws_between_reports_changes_nothing(toy, steady):
    quiet = train(toy(**RICH))
    noisy = []
    for report in epochs(toy(**RICH)):
        torch.rand(7), numpy.random.rand(7), random.random()
        noisy.append(report)
    assert [steady(report) for report in noisy] == [steady(report) for report in quiet]


@pytest.mark.parametrize("settings", SETTINGS, ids=["plain", "rich", "lora"])
def test_nothing_is_written_but_what_a_report_saves(toy, empty_folder, tmp_path, settings):
    train(toy())  # the first run fills the data cache
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    before = set(tmp_path.parent.rglob("*"))  # holds the cache, the working directory and the checkpoint
    for report in epochs(toy(**settings)):
        assert set(tmp_path.parent.rglob("*")) == before
        last = report.snapshot() if report.snapshot else report.save
    last(folder)
    assert list(empty_folder.iterdir()) == []
    assert all(folder in path.parents for path in set(tmp_path.parent.rglob("*")) - before)

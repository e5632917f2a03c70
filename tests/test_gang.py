"""Trials of several machines each, on a real Ray cluster whose machines fall silent one after the other."""

import csv
from pathlib import Path
from random import Random
from typing import Any

import psutil
import pytest
import torch

from hpo.ledger import Ledger
from hpo.study_file import load_study
from tests.faults.ray_kills import Running, begin, wait_for
from tests.faults.ray_nodes import Node, Nodes, cluster
from tests.test_cluster import WORKER
from train_fn.text import epochs

pytestmark = pytest.mark.hard

FOLLOWER = "Follower"
EPOCHS = 40
STUDY = """\
study: shared
trainable: train_fn.text:epochs
objective: {{maximize: f1_weighted}}
config:
  model: tiny
  max_epochs: {epochs}
  batch_size: 16
  precision: fp32
  num_processes: 4
  data: {{file: {folder}/toy.csv, cache: {folder}/cache}}
search_space:
  learning_rate: {{log_uniform: [1.0e-4, 1.0e-3]}}
search: {{searcher: random, scheduler: fifo, trials: 1, seed: 0}}
resources: {{cpu: 1, gpu: 0, nodes: 2}}
ray: {{address: "{address}", storage: "{folder}/shared"}}
"""
WORDS = {"fruit": ["apple", "pear", "plum"], "traffic": ["car", "bus", "tram"], "colour": ["red", "blue", "green"]}


@pytest.mark.timeout(600)
def test_a_trial_on_two_machines_ends_as_on_one_to_the_bit_though_two_fall_silent(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First a machine that reports nothing, which the others wait for; then the one that reports."""
    write_data(folder / "toy.csv")
    quickly_missed = {"RAY_health_check_timeout_ms": "3000"}
    with cluster(quickly_missed, head=["--num-cpus=0"]) as nodes:
        join(nodes, 4, monkeypatch)
        (folder / "study.yaml").write_text(STUDY.format(folder=folder, address=nodes.address, epochs=EPOCHS))
        driver = begin(folder, "run", "study.yaml")
        for lost, name in enumerate((FOLLOWER, WORKER)):
            wait_until_reported(folder, driver, more_than=lost)
            [machine] = [node for node in nodes.all if node.runs(name) and node not in frozen(nodes)]
            machine.freeze()
            wait_for(lambda so_far=lost: len(rows(folder, "lost")) > so_far or driver.process.poll() is not None)
        code, out, err = driver.end()
        assert code == 0, (out, err)
        there = [node for node in nodes.all if node not in frozen(nodes)]
        assert len(there) == 3
        for node in there:
            wait_for(lambda node=node: not any(map(node.runs, (FOLLOWER, WORKER, "spawn_main"))))
    assert [row["reason"] for row in rows(folder, "lost")] == ["its machine died"] * 2
    assert [row["counts"] for row in rows(folder, "lost")] == [0, 0]
    started = rows(folder, "started")
    assert len(started) == 3 and min(row["from_step"] for row in started[1:]) > 0, "it went on from a checkpoint"
    assert said_by(folder) == alone(folder)


def write_data(path: Path) -> None:
    chance = Random(0)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["text", "label"])
        for index in range(140):
            label = list(WORDS)[index % 3]
            anything = [word for words in WORDS.values() for word in words]
            words = [chance.choice(WORDS[label] if chance.random() < 0.7 else anything) for _ in range(9)]
            table.writerow([" ".join(words), label])


def join(nodes: Nodes, machines: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in nodes.environment.items():
        monkeypatch.setenv(name, value)
    for _ in range(machines):  # one after the other: Ray gives each half a minute
        nodes.wait_for(nodes.add(f"--address={nodes.address}"))


def wait_until_reported(folder: Path, driver: Running, more_than: int) -> None:
    """By an attempt after so many others."""

    def reported() -> bool:
        return any(row["attempt"] > more_than for row in rows(folder, "reported"))

    wait_for(lambda: reported() or driver.process.poll() is not None)
    assert driver.process.poll() is None, driver.end()


def frozen(nodes: Nodes) -> list[Node]:
    return [node for node in nodes.all if any(one.status() == psutil.STATUS_STOPPED for one in node.below)]


def rows(folder: Path, kind: str) -> list[dict[str, Any]]:
    """Of the ledger."""
    path = folder / "studies" / "shared" / "ledger.db"
    if not path.exists():
        return []
    ledger = Ledger(path)
    found = [{"attempt": event.attempt, **event.payload} for event in ledger.events() if event.kind == kind]
    ledger.close()
    return found


def said_by(folder: Path) -> list[dict[str, float]]:
    """Each step's metrics, of the attempt that counts."""
    by_epoch = {row["epoch"]: steady(row["metrics"]) for row in rows(folder, "reported")}
    return [by_epoch[epoch] for epoch in sorted(by_epoch)]


def alone(folder: Path) -> list[dict[str, float]]:
    """The same trial in four processes of this machine, undisturbed."""
    study = load_study(folder / "study.yaml")
    [asked] = rows(folder, "asked")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    reports = [steady(report.metrics) for report in epochs(study.trial_config(asked["params"]))]
    torch.set_num_threads(before)
    assert len(reports) == EPOCHS
    return reports


def steady(metrics: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if not name.startswith(("time/", "speed/", "memory/"))}


BROKEN = """\
import os, time
from dataclasses import dataclass
from train_fn.report import Report

@dataclass(frozen=True)
class Config:
    x: float = 0.0

def epochs(config: Config, resume_from=None):
    if os.environ["GROUP_RANK"] == "1":
        raise ValueError("there is no data on this machine")
    while True:  # as a library may wait for another machine
        time.sleep(1)
    yield Report(epoch=1, metrics={"score": config.x})
"""
BROKEN_STUDY = """\
study: shared
trainable: broken:epochs
objective: {{maximize: score}}
search_space: {{x: {{uniform: [0.0, 1.0]}}}}
search: {{searcher: random, scheduler: fifo, trials: 1, seed: 0}}
resources: {{cpu: 1, gpu: 0, nodes: {machines}}}
ray: {{address: "{address}", storage: "{folder}/shared"}}
"""


@pytest.mark.timeout(600)
def test_what_another_machine_raises_fails_the_trial_also_where_the_first_waits_and_too_few_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "broken.py").write_text(BROKEN)
    with cluster({}) as nodes:
        join(nodes, 1, monkeypatch)

        def ran(machines: int) -> tuple[int, str, str]:
            text = BROKEN_STUDY.format(machines=machines, address=nodes.address, folder=folder)
            (folder / "study.yaml").write_text(text)
            return begin(folder, "run", "study.yaml", "--name", f"on-{machines}").end()

        code, _, err = ran(3)
        assert code == 2 and "3 machines with 1 cpu and 0 gpu each, but the cluster has 2 such" in err, err
        assert err.count("\n") == 1, err
        code, out, err = ran(2)
        assert code == 1, (out, err)
        assert "ValueError: there is no data on this machine (broken.py:11)" in err, err
        assert not any(node.runs(name) for node in nodes.all for name in (FOLLOWER, WORKER))

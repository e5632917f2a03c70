"""Studies whose trials train as one, on real Ray."""

import csv
import random
from pathlib import Path
from typing import Any

import psutil
import pytest

from hpo.processes import MARK
from tests.faults.ray_kills import begin, wait_for
from tests.oracle import Evidence
from tests.train_fn.in_lanes import COMPARABLE
from train_fn.config import TextConfig
from train_fn.data import TextDataConfig
from train_fn.text import train

pytestmark = pytest.mark.hard

WORDS = {"fruit": ["apple", "pear", "plum"], "traffic": ["car", "bus", "train"], "colour": ["red", "blue", "green"]}
RATES = [1e-4, 3e-4, 1e-3, 2e-3]
STUDY = """\
study: {name}
trainable: train_fn.text:epochs
objective: {{minimize: loss}}
config:
  {{model: tiny, max_epochs: {epochs}, batch_size: 8, precision: fp32, hidden_dropout: 0.0, attention_dropout: 0.0,
   classifier_dropout: 0.0, adam_epsilon: 1.0e-4, fuse_trials: true, data: {{file: texts.csv, cache: cache}}}}
search_space:
  learning_rate: {{choice: {rates}}}
search: {{searcher: grid, scheduler: fifo, trials: 4}}
resources: {{cpu: 1, gpu: 0}}
"""


@pytest.fixture
def studies(folder: Path) -> Path:
    chance, every = random.Random(0), [word for words in WORDS.values() for word in words]
    with (folder / "texts.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        for number in range(300):
            label = list(WORDS)[number % 3]
            words = [chance.choice(WORDS[label] if chance.random() < 0.6 else every) for _ in range(8)]
            rows.writerow([" ".join(words), label])
    return folder


def write(folder: Path, name: str, epochs: int) -> str:
    text = STUDY.format(name=name, epochs=epochs, rates=RATES)
    (folder / f"{name}.yaml").write_text(text)
    return f"{name}.yaml"


def servers(folder: Path, name: str) -> list[psutil.Process]:
    """The processes that hold the lanes of a study."""
    of_lanes = (one for one in psutil.process_iter(["cmdline"]) if "train_fn.fused" in (one.info["cmdline"] or []))
    return [one for one in of_lanes if one.environ().get(MARK) == str(folder / "studies" / name)]


def losses(evidence: Evidence) -> list[float]:
    """Of the last report of each trial, in no order: a grid has its own."""
    last = {row["trial"]: row["payload"]["metrics"]["loss"] for row in evidence.rows("reported")}
    return sorted(last.values())


def alone(epochs: int) -> list[float]:
    """The same trials by the ordinary loop, here."""
    data = TextDataConfig(file="texts.csv", cache="cache")
    settings: dict[str, Any] = {"model": "tiny", "batch_size": 8, "precision": "fp32"}
    configs = [TextConfig(data=data, max_epochs=epochs, learning_rate=rate, **settings, **COMPARABLE) for rate in RATES]
    return sorted(train(config)[-1].metrics["loss"] for config in configs)


def test_trials_that_train_as_one_end_where_they_would_alone(studies: Path) -> None:
    running = begin(studies, "run", write(studies, "fused", epochs=2))
    wait_for(lambda: len(servers(studies, "fused")) == 1)
    code, out, err = running.end()
    assert code == 0, (out, err)
    assert losses(Evidence(folder=studies, study="fused", trials=4, crashes=0)) == pytest.approx(alone(2), abs=1e-3)
    assert not servers(studies, "fused")


def test_trials_go_on_in_a_new_process_when_that_of_their_lanes_is_killed(studies: Path) -> None:
    running = begin(studies, "run", write(studies, "killed", epochs=6))
    evidence = Evidence(folder=studies, study="killed", trials=4, crashes=1)
    wait_for(lambda: (evidence.root / "ledger.db").exists() and len(evidence.rows("reported")) >= 3)
    [process] = servers(studies, "killed")
    process.kill()
    code, out, err = running.end()
    assert code == 0, (out, err)
    lost = evidence.rows("lost")
    assert lost and {row["payload"]["reason"] for row in lost} == {"the process of its lane died"}
    assert losses(evidence) == pytest.approx(alone(6), abs=1e-3), "each from its last checkpoint"
    assert not servers(studies, "killed")

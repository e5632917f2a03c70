"""A worker lives on from trial to trial: what it keeps, what it gives back, and the one that is new for each."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import ray

from hpo import results
from hpo.segment import Reported, Segment
from hpo.worker import return_memory, run_segment
from tests.hpo.typed import PROJECT
from train_fn.report import Report

TRIALS = 24
MOST_GROWTH = 4e6  # bytes over the second half; a model and its optimizer's state that stayed would be 2e6 a trial


@dataclass(frozen=True, kw_only=True)
class Config:
    x: float = 0.0
    max_epochs: int = 1


def epochs(config: Config, resume_from: Path | None = None) -> Iterator[Report]:
    told = os.environ.get("MALLOC_MMAP_MAX_") == "0"
    of_its_own = bool(ray.get_runtime_context().runtime_env)
    metrics = {"process": os.getpid(), "keeps_memory": float(told), "environment_of_its_own": float(of_its_own)}
    yield Report(epoch=1, metrics=metrics)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("rows") / "rows.csv"
    words = ("red", "green", "blue", "warm", "cold")
    lines = [f"{words[row % 5]} {words[row // 5 % 5]} number {row},{'ab'[row % 2]}" for row in range(60)]
    file.write_text("text,label\n" + "\n".join(lines) + "\n")
    return file


def segment(folder: Path, rows: Path, trial: int) -> Segment:
    config = {
        "data": {"file": str(rows), "cache": str(folder / "cache"), "near_duplicates": "ignore"},
        "model": "tiny",
        "max_epochs": 1,
        "learning_rate": 1e-3 * (trial + 1),
        "precision": "fp32",
    }
    return Segment(
        trial=trial,
        attempt=1,
        trainable="train_fn.text:epochs",
        config=config,
        checkpoint=None,
        from_step=0,
        folder=str(folder / f"{trial:03d}"),
        threads=1,
    )


def test_the_memory_of_a_trial_is_given_back_before_the_next(folder: Path, rows: Path) -> None:
    process, seen = psutil.Process(), []
    for trial in range(TRIALS):
        [said] = run_segment(segment(folder, rows, trial))
        assert isinstance(said, Reported), said
        return_memory()
        seen.append(process.memory_info().rss)
    assert seen[-1] - seen[TRIALS // 2] < MOST_GROWTH, seen


def metrics_of(folder: Path, name: str, *options: str) -> list[dict[str, float]]:
    """Of each of six trials, on Ray."""
    (folder / "study.yaml").write_text(
        f"study: {name}\n"
        "trainable: tests.hpo.test_warm_workers:epochs\n"
        "objective: {minimize: process}\n"
        "search_space: {x: {uniform: [0, 1]}}\n"
        "search: {searcher: random, scheduler: fifo, trials: 6}\n"
        "resources: {cpu: 1, gpu: 0}\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "hpo", "run", "study.yaml", *options],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [trial.evaluations[-1].metrics for trial in results.read(name).history.trials]


@pytest.mark.hard
def test_workers_are_few_unless_each_trial_is_to_have_its_own(folder: Path) -> None:
    warm = metrics_of(folder, "warm")
    assert len({one["process"] for one in warm}) <= min(6, os.cpu_count() or 1)
    assert all(one["keeps_memory"] for one in warm), "glibc is told how by the environment"
    assert not any(one["environment_of_its_own"] for one in warm), "Ray would begin others than it has begun already"
    isolated = metrics_of(folder, "isolated", "--set", "workers.isolate=true")
    assert len({one["process"] for one in isolated}) == 6

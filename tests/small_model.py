"""A trainable of one split at a threshold: how good it is, is what it is told; trained, saved and tested in no time."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from train_fn.metrics.classification import classification_metrics
from train_fn.report import Report
from train_fn.saved_estimator import COLUMNS, MODEL, dumped, load_estimator
from train_fn.text import TestResult

LABELS = ("high", "low")
TEST_ROWS = 400


@dataclass(frozen=True, kw_only=True)
class SmallConfig:
    threshold: float = 0.5  # the truth; others cost as much accuracy as they are away, times 0.8
    seed_of_data: int = 0
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Prepared:
    fingerprint: str
    labels: tuple[str, ...] = LABELS
    task: str = "classification"
    rows: dict[str, int] = field(default_factory=lambda: {"test": TEST_ROWS})
    report: dict[str, Any] = field(default_factory=dict)


LEAKED = 0  # rows of test that `prepare` finds in train


def prepare(config: SmallConfig) -> Prepared:
    return Prepared(
        fingerprint=f"data-{config.seed_of_data}", report={"leaks": {"train-test": {"exact": LEAKED, "near": 0}}}
    )


def rows(seed: int, count: int) -> tuple[Any, Any]:
    """One number each; a tenth of the labels is wrong."""
    rng = np.random.default_rng(seed)
    numbers = rng.random(count).round(6)
    return numbers, np.where((numbers > 0.5) != (rng.random(count) < 0.1), "high", "low")


def epochs(config: SmallConfig, resume_from: Path | None = None) -> Iterator[Report]:
    import pandas as pd
    from sklearn.linear_model import LogisticRegression

    numbers, labels = rows(config.seed_of_data, 200)
    steps = np.linspace(0, 1, 201)
    model = LogisticRegression(C=1e5, max_iter=1000).fit(
        pd.DataFrame({"number": steps}), np.where(steps > config.threshold, "high", "low")
    )

    def save(folder: Path) -> None:
        (folder / MODEL).write_bytes(dumped(model))
        (folder / COLUMNS).write_text(json.dumps({"number": "number"}))

    right = model.predict(pd.DataFrame({"number": numbers})) == labels
    yield Report(epoch=1, metrics={"accuracy": float(right.mean())}, save=save)


def test(config: SmallConfig, checkpoint: Path) -> TestResult:
    import pandas as pd

    numbers, labels = rows(config.seed_of_data + 1000, TEST_ROWS)
    probabilities = load_estimator(checkpoint / MODEL).predict_proba(pd.DataFrame({"number": numbers}))
    targets = np.array([LABELS.index(label) for label in labels])
    return TestResult(
        metrics=classification_metrics(targets, probabilities),
        baseline={},
        baseline_setting={},
        labels=LABELS,
        targets=targets.tolist(),
        predictions=probabilities.argmax(axis=1).tolist(),
    )


test.__test__ = False  # type: ignore[attr-defined]  # no test of pytest's


def study(name: str, threshold: float, **changes: Any) -> dict[str, Any]:
    """Of one trial."""
    config = {"threshold": threshold, **changes.pop("config", {})}
    return {
        "study": name,
        "trainable": "tests.small_model:epochs",
        "objective": {"maximize": "accuracy"},
        "config": config,
        "search": {"searcher": "random", "scheduler": "fifo", "trials": 1},
        "registry": {"model": "small", **changes},
    }

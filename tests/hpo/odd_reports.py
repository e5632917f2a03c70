"""A trainable that reports whatever stands under a name in `REPORTS`: for test_metrics_reported."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch

from train_fn.report import Report


class Silent(float):
    def __repr__(self) -> str:
        raise RuntimeError("no words")


class Broken(Mapping[str, float]):
    def __getitem__(self, name: str) -> float:
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(["score"])

    def __len__(self) -> int:
        return 1


def score(value: Any) -> Report:
    return Report(epoch=1, metrics={"score": value})


def named(name: Any) -> Report:
    return Report(epoch=1, metrics={"score": 1.0, name: 1.0})


LONG = "n" * 100_000

# each is refused in one line that holds these words
BAD: dict[str, tuple[Any, str]] = {
    "text": (score("0.5"), "metric 'score' must be a number, got str '0.5'"),
    "bytes": (score(b"0.5"), "metric 'score' must be a number, got bytes b'0.5'"),
    "none": (score(None), "metric 'score' must be a number, got NoneType None"),
    "truth": (score(True), "metric 'score' must be a number, got bool True"),
    "numpy truth": (score(np.bool_(True)), "metric 'score' must be a number, got bool True"),
    "tensor truth": (score(torch.tensor(True)), "metric 'score' must be a number, got bool True"),
    "list": (score([0.5]), "metric 'score' must be a number, got list [0.5]"),
    "dict": (score({"a": 1}), "metric 'score' must be a number, got dict {'a': 1}"),
    "array of one": (score(np.ones(1)), "metric 'score' must be a number, got ndarray array([1.])"),
    "array of many": (score(np.ones(10_000)), "metric 'score' must be a number, got ndarray array([1., 1., 1.,"),
    "tensor of one": (score(torch.ones(1)), "metric 'score' must be a number, got Tensor tensor([1.])"),
    "tensor of many": (score(torch.ones(99)), "metric 'score' must be a number, got Tensor tensor([1., 1., 1.,"),
    "numpy text": (score(np.str_("0.5")), "metric 'score' must be a number, got str '0.5'"),
    "numpy time": (score(np.datetime64("2020-01-01")), "metric 'score' must be a number, got date"),
    "complex": (score(1j), "metric 'score' must be a number, got complex 1j"),
    "numpy complex": (score(np.complex64(1j)), "metric 'score' must be a number, got complex 1j"),
    "tensor complex": (score(torch.tensor(1j)), "metric 'score' must be a number, got complex 1j"),
    "tensor of no device": (score(torch.empty((), device="meta")), "RuntimeError: Tensor.item() cannot be called"),
    "decimal": (score(Decimal("0.5")), "metric 'score' must be a number, got Decimal Decimal('0.5')"),
    "function": (score(max), "metric 'score' must be a number, got builtin_function_or_method <built-in"),
    "object": (score(object()), "metric 'score' must be a number, got object <object object at"),
    "type": (score(float), "metric 'score' must be a number, got type <class 'float'>"),
    "long text": (score(LONG), "metric 'score' must be a number, got str 'nnn"),
    "text of two lines": (score("a\nb"), "metric 'score' must be a number, got str 'a\\nb'"),
    "huge whole number": (score(10**400), "metric 'score' must fit a 64-bit float, got int 1000"),
    "number without end": (score(10**10_000), "metric 'score' must fit a 64-bit float, got int that cannot be shown"),
    "name of 100,000 letters": (named(LONG), "a metric's name must be 1 to 250 letters, digits, blanks, any of"),
    "name of nothing": (named(""), "a metric's name must be 1 to 250 letters"),
    "name of two lines": (named("a\nb"), "single /, got str 'a\\nb'"),
    "name of half a letter": (named("\ud800"), "single /, got str '\\ud800'"),
    "name of a path": (named("../../etc"), "single /, got str '../../etc'"),
    "name from the root": (named("/etc"), "single /, got str '/etc'"),
    "name with an empty folder": (named("a//b"), "single /, got str 'a//b'"),
    "name of a page": (named("<script>"), "single /, got str '<script>'"),
    "name that is a number": (named(7), "a metric must have a name of letters, got int 7"),
    "name that is none": (named(None), "a metric must have a name of letters, got NoneType None"),
    "too many metrics": (
        Report(epoch=1, metrics={f"m{index}": 1.0 for index in range(100_000)}),
        "a report must hold 1,000 metrics at most, got 100,000; tables go to `details`",
    ),
    "metrics in a list": (Report(epoch=1, metrics=[("score", 1.0)]), "`metrics` must be a mapping"),  # type: ignore[arg-type]
    "no metrics at all": (Report(epoch=1, metrics=None), "`metrics` must be a mapping"),  # type: ignore[arg-type]
    "metrics that break": (Report(epoch=1, metrics=Broken()), "KeyError: 'score'"),
    "epoch in words": (Report(epoch="one", metrics={"score": 1.0}), "`epoch` must be a number, got str 'one'"),  # type: ignore[arg-type]
    "epoch that is none": (Report(epoch=None, metrics={"score": 1.0}), "`epoch` must be a number"),  # type: ignore[arg-type]
    "epoch without end": (Report(epoch=math.inf, metrics={"score": 1.0}), "`epoch` must be finite, got inf"),
    "diverged, as a truth": (Report(epoch=1, metrics={}, diverged=True), "`diverged` must be a reason in words"),  # type: ignore[arg-type]
    "a dict": ({"score": 1.0}, "a trainable must yield Report(epoch=..., metrics=...), got dict {'score': 1.0}"),
    "a number": (0.5, "a trainable must yield Report(epoch=..., metrics=...), got float 0.5"),
    "nothing": (None, "a trainable must yield Report(epoch=..., metrics=...), got NoneType None"),
    "the class": (Report, "a trainable must yield Report(epoch=..., metrics=...), got type <class"),
    "no objective": (Report(epoch=1, metrics={"x": 1.0}), "reported no score, the objective; its metrics are x"),
    "no objective among many": (
        Report(epoch=1, metrics={f"m{index:03d}": 1.0 for index in range(1_000)}),
        "reported no score, the objective; its metrics are m000, m001, m002, m003, m004, m005, m006, m007, m008, m009 "
        "and 990 more",
    ),
}  # fmt: skip

# each is a plain number
GOOD: dict[str, tuple[Any, float]] = {
    "float": (0.5, 0.5),
    "int": (1, 1.0),
    "fraction": (Fraction(1, 2), 0.5),
    "without words": (Silent(0.5), 0.5),
    **{f"numpy {kind.__name__}": (kind(1), 1.0) for kind in (np.float16, np.float32, np.float64, np.int8, np.uint64)},
    "numpy long": (np.longdouble(0.5), 0.5),
    "array without dimensions": (np.array(0.5), 0.5),
    **{
        f"tensor {kind}": (torch.tensor(1, dtype=kind), 1.0)
        for kind in (torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64)
    },
    "tensor that learns": (torch.tensor(0.5, requires_grad=True), 0.5),
}

REPORTS = {name: report for name, (report, _) in BAD.items()} | {
    name: score(value) for name, (value, _) in GOOD.items()
}


@dataclass(frozen=True, kw_only=True)
class Config:
    report: str = "float"
    max_epochs: int = 1


def epochs(config: Config, resume_from: Path | None = None) -> Iterator[Report]:
    yield REPORTS[config.report]


def listed(config: Config, resume_from: Path | None = None) -> list[Report]:
    """Forgets to be a generator."""
    return [score(0.5)]

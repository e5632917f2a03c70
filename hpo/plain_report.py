"""What a trainable reports, as plain numbers under plain names; whatever else it is, is refused in one line."""

import math
import posixpath
import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

from train_fn.report import Report

NAME = re.compile(r"[\w./ :-]{1,250}")  # what MLflow takes for a metric, whose pages turn `/` into folders
MOST_METRICS = 1_000  # of a report: each is a row in the ledger's JSON, in MLflow and in every table
LONGEST_REASON = 500  # characters


def stream(returned: Any) -> Generator[Any, bool | None, None]:
    """What a trainable returned, which can be closed."""
    if not isinstance(returned, Generator):
        raise TypeError(f"a trainable must be a generator, which yields a Report at a time, got {shown(returned)}")
    return returned


@dataclass(frozen=True, kw_only=True)
class Plain:
    epoch: float
    metrics: dict[str, float]  # nan and inf among them
    diverged: str | None


def plain(report: Any) -> Plain:
    """TypeError or ValueError that names what is wrong with it."""
    if not isinstance(report, Report):
        raise TypeError(f"a trainable must yield Report(epoch=..., metrics=...), got {shown(report)}")
    epoch = number("`epoch`", report.epoch)
    if not math.isfinite(epoch):
        raise ValueError(f"`epoch` must be finite, got {epoch}; it is the budget that trials are compared at")
    if report.diverged is not None and not isinstance(report.diverged, str):
        raise TypeError(f"`diverged` must be a reason in words, or None, got {shown(report.diverged)}")
    if not isinstance(report.metrics, Mapping):
        raise TypeError(f"`metrics` must be a mapping of names to numbers, got {shown(report.metrics)}")
    if len(report.metrics) > MOST_METRICS:
        raise ValueError(
            f"a report must hold {MOST_METRICS:,} metrics at most, got {len(report.metrics):,}; tables go to `details`"
        )
    metrics = {name_of(name): number(f"metric {name!r}", value) for name, value in report.metrics.items()}
    return Plain(epoch=epoch, metrics=metrics, diverged=report.diverged and in_short(report.diverged, LONGEST_REASON))


def name_of(name: Any) -> str:
    if not isinstance(name, str):
        raise TypeError(f"a metric must have a name of letters, got {shown(name)}")
    if not NAME.fullmatch(name) or name != posixpath.normpath(name) or name.startswith(("/", "..")):
        raise ValueError(
            f"a metric's name must be 1 to 250 letters, digits, blanks, any of _ - . : and single /, got {shown(name)}"
        )
    return name


def number(what: str, value: Any) -> float:
    """Also a scalar of numpy and a tensor of one value without dimensions; no truth value and no text."""
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{what} must be a number, got {shown(value)}")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{what} must fit a 64-bit float, got {shown(value)}") from None


def shown(value: Any) -> str:
    """Its type and its beginning, in one line."""
    try:
        text = repr(value)
    except Exception:
        text = "that cannot be shown"
    return f"{type(value).__name__} {in_short(text, 60)}"


def in_short(text: str, longest: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 3]}..."

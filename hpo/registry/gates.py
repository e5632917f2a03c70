"""What a candidate must show before it becomes champion; each gate that it does not pass says so with the numbers."""

from collections.abc import Callable
from dataclasses import dataclass

from hpo.registry.paired_bootstrap import ClassDifference, Difference
from hpo.study import Gates
from hpo.wording import count


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Of a candidate; None is what could not be measured."""

    difference: Difference | None  # to the champion; None where there is none yet
    classes: list[ClassDifference]
    size_mb: float
    latency_ms: float | None  # median of one row at a time
    calibration_error: float | None  # on the sealed rows, between 0 and 1


def refusals(gates: Gates, measured: Measured) -> list[str]:
    """One line for each gate that is not passed."""
    asked = {name: limit for name in GATES if (limit := getattr(gates, name)) is not None}
    said = {name: GATES[name](limit, measured) for name, limit in asked.items()}
    return [f"{name}: {line}" for name, line in said.items() if line]


def minimum_gain(least: float, measured: Measured) -> str:
    found = measured.difference
    if found is None or found.low > least:
        return ""
    return (
        f"{found.metric} {found.candidate:.4f} against the champion's {found.champion:.4f}, a gain of "
        f"{found.gain:+.4f} that is at least {found.low:+.4f}; must be above {least:+g}"
    )


def worst_class_drop(most: float, measured: Measured) -> str:
    """A drop counts where it is more than luck: that of rare classes moves much."""
    worse = [one for one in measured.classes if -one.high > most]
    if not worse:
        return ""
    worst = min(worse, key=lambda one: one.high)
    return (
        f"F1 of class {worst.label} ({count(worst.rows, 'row')}) {worst.candidate:.4f} against the champion's "
        f"{worst.champion:.4f}, a drop of at least {-worst.high:.4f}; must be {most:g} at most"
    )


def size_mb(most: float, measured: Measured) -> str:
    return "" if measured.size_mb <= most else f"{measured.size_mb:.3g} MB; must be {most:g} at most"


def latency_ms(most: float, measured: Measured) -> str:
    if measured.latency_ms is None:
        return f"has no example to be asked by, so it cannot be timed; must be {most:g} ms at most"
    return "" if measured.latency_ms <= most else f"{measured.latency_ms:.1f} ms for one row; must be {most:g} at most"


def calibration_error(most: float, measured: Measured) -> str:
    if measured.calibration_error is None:
        return f"`test` reports no `ece` of classes; must be {most:g} at most"
    found = measured.calibration_error
    return "" if found <= most else f"{found:.4f} on the sealed rows; must be {most:g} at most"


GATES: dict[str, Callable[[float, Measured], str]] = {
    "minimum_gain": minimum_gain,
    "worst_class_drop": worst_class_drop,
    "size_mb": size_mb,
    "latency_ms": latency_ms,
    "calibration_error": calibration_error,
}

"""Values and trials in words: the same on the live screen and in every table."""

from hpo.history import Trial


def short(value: object) -> str:
    """Four significant digits are enough to recognise a number by."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def describe(trial: Trial) -> str:
    return ", ".join(f"{name}={short(value)}" for name, value in trial.params.items()) or "as configured"

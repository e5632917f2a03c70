"""What a promoted model is measured against beside the champion: the baseline of its trainable, in words."""

from collections.abc import Mapping
from typing import Any

LINEAR = "a tuned linear model"
LINEAR_MODELS = ("LinearSVC", "LogisticRegression", "Ridge")


def in_words(setting: Mapping[str, Any]) -> str:
    """Of what its tuning chose: among the peers for images is one that is not linear."""
    model = setting.get("classifier") or setting.get("model")
    if model is None:
        return "the baseline of the trainable"
    return LINEAR if model in LINEAR_MODELS else f"a tuned {model}"


def is_better(peer: Mapping[str, float], scores: Mapping[str, float], metric: str, sign: int) -> bool:
    """`sign`: 1 where more of the metric is better, else -1."""
    return metric in peer and metric in scores and sign * (peer[metric] - scores[metric]) > 0

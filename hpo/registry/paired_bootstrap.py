"""Whether a candidate is better than the champion, and not by the luck of the rows: a paired bootstrap (Efron 1979).

Both answer the same sealed rows. Rows are drawn again with replacement, each with both answers, so that what is hard
for both cancels out; the spread of the difference says what luck is worth. Of classes, drawing rows is drawing from
the counts of (true class, champion's, candidate's), which is exact and quick.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from train_fn.metrics import HIGHER_IS_BETTER
from train_fn.metrics.multi_label import multi_label_metrics
from train_fn.metrics.ranking import ranking_metrics

SAMPLES = 2000
SAMPLES_OF_NUMBERS = 500  # each takes a metric over all rows
# at most 5 in 100 equal candidates may look better; the percentiles of a bootstrap are a little too narrow for 0.05
LEVEL = 0.04

Counts = NDArray[np.float64]  # samples x classes
Metric = Callable[[Counts, Counts, Counts], NDArray[np.float64]]  # right, answered, true -> a score for each sample


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How much better the candidate is; below 0 where it is worse. It is at least `low`, but for 4 in 100 times."""

    metric: str
    champion: float
    candidate: float
    gain: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class ClassDifference:
    """Of one class's F1. Of all classes together `high` is too low but for 4 in 100 times (Bonferroni)."""

    label: str
    rows: int
    champion: float
    candidate: float
    gain: float
    low: float
    high: float


def compare(
    champion: Mapping[str, Any], candidate: Mapping[str, Any], metric: str, seed: int = 0
) -> tuple[Difference, list[ClassDifference]]:
    """From what `test` of a trainable returned for each: `targets`, `predictions`, `labels`, `groups`.

    By the metric itself where answers alone give it, else by `nearest_metric`. ValueError where there are no answers.
    """
    targets = np.asarray(candidate.get("targets", ()))
    ours, theirs = (np.asarray(one.get("predictions", ())) for one in (candidate, champion))
    if len(targets) == 0 or len(ours) != len(targets) or len(theirs) != len(targets):
        raise ValueError("its `test` must return `targets` and as many `predictions`")
    labels, groups = tuple(candidate.get("labels", ())), np.asarray(candidate.get("groups", ()), int)
    task = task_of(targets, labels, groups)
    metric = nearest_metric(task, metric)
    rng = np.random.default_rng(seed)
    if task == "classification":
        return _of_classes(targets, theirs, ours, labels, metric, rng)
    return _of_numbers(targets, theirs, ours, groups, task, metric, rng), []


def intervals(tested: Mapping[str, Any]) -> list[ClassDifference]:
    """How sure the F1 of each class is, from one model's answers: its `low` and `high` are of `candidate` itself."""
    labels, targets = tuple(tested.get("labels", ())), np.asarray(tested.get("targets", ()))
    if not labels or targets.ndim != 1 or len(targets) == 0:
        return []
    nothing = np.full_like(targets, -1)  # a champion that answers no class at all has an F1 of 0
    rng = np.random.default_rng(0)
    return _of_classes(targets, nothing, np.asarray(tested["predictions"]), labels, "accuracy", rng, LEVEL / 2)[1]


def task_of(targets: NDArray[Any], labels: tuple[str, ...], groups: NDArray[Any]) -> str:
    if targets.ndim == 2:
        return "multi_label"
    return "classification" if labels else "ranking" if len(groups) else "regression"


def nearest_metric(task: str, metric: str) -> str:
    """A loss or an area needs more than answers."""
    known = {"classification": _OF_CLASSES, "multi_label": _OF_LABELS}.get(
        task, HIGHER_IS_BETTER[task].keys() - {"loss"}
    )
    nearest = {"classification": "accuracy", "multi_label": "f1_micro", "regression": "mse", "ranking": "ndcg"}
    return metric if metric in known else nearest[task]


def _of_classes(
    targets: NDArray[Any],
    champion: NDArray[Any],
    candidate: NDArray[Any],
    labels: tuple[str, ...],
    metric: str,
    rng: np.random.Generator,
    share: float | None = None,
) -> tuple[Difference, list[ClassDifference]]:
    """`share`: of the samples beyond each end of a class's interval; shared by all classes unless given."""
    cells, counts = np.unique(np.stack([targets, champion, candidate]), axis=1, return_counts=True)
    drawn = rng.multinomial(len(targets), counts / len(targets), size=SAMPLES).astype(
        float
    )  # products of floats are quick
    drawn[0] = counts  # what was seen, in front of what might have been
    truth, *answers = ((row[:, None] == np.arange(len(labels))).astype(float) for row in cells)  # cells x classes
    true = drawn @ truth
    (before, f1_before), (after, f1_after) = (
        (
            _OF_CLASSES[metric](drawn @ (said * truth), drawn @ said, true),
            f1(drawn @ (said * truth), drawn @ said, true),
        )
        for said in answers
    )
    gains = after - before
    low, high = np.quantile(gains, (LEVEL, 1 - LEVEL))
    share = LEVEL / len(labels) if share is None else share
    lows, highs = np.quantile(f1_after - f1_before, (share, 1 - share), axis=0)
    classes = [
        ClassDifference(
            label=label,
            rows=int(true[0, index]),
            champion=float(f1_before[0, index]),
            candidate=float(f1_after[0, index]),
            gain=float(f1_after[0, index] - f1_before[0, index]),
            low=float(lows[index]),
            high=float(highs[index]),
        )
        for index, label in enumerate(labels)
    ]
    return _difference(metric, before[0], after[0], gains[0], low, high), classes


def _of_numbers(
    targets: NDArray[Any],
    champion: NDArray[Any],
    candidate: NDArray[Any],
    groups: NDArray[Any],
    task: str,
    metric: str,
    rng: np.random.Generator,
) -> Difference:
    """Rows are drawn, or whole queries of a ranking, whose metrics are means over queries."""
    sign = 1 if HIGHER_IS_BETTER[task][metric] else -1
    if task == "ranking":
        of_queries = [groups == query for query in np.unique(groups)]
        values = np.array(
            [[_of_query(targets[q], said[q], metric) for said in (champion, candidate)] for q in of_queries]
        )
        count, measure = len(values), lambda drawn: np.nanmean(values[drawn], axis=0)
    else:
        of_rows = _OF_NUMBERS.get(metric) or partial(_of_labels, metric)
        both = (champion, candidate)
        count, measure = len(targets), lambda drawn: np.array([of_rows(targets[drawn], said[drawn]) for said in both])
    before, after = measure(np.arange(count))
    drawn = np.array([measure(rng.integers(count, size=count)) for _ in range(SAMPLES_OF_NUMBERS)])
    low, high = np.nanquantile(sign * (drawn[:, 1] - drawn[:, 0]), (LEVEL, 1 - LEVEL))
    return _difference(metric, before, after, sign * (after - before), low, high)


def _of_query(grades: NDArray[Any], scores: NDArray[Any], metric: str) -> float:
    """Not a number where the metric says nothing of this query."""
    return ranking_metrics(grades, scores, np.zeros(len(grades), int)).get(metric, np.nan)


def _of_labels(metric: str, targets: NDArray[Any], answers: NDArray[Any]) -> float:
    return multi_label_metrics(targets, answers.astype(float))[metric]


def _correlation(one: NDArray[Any], other: NDArray[Any]) -> float:
    """0 where one of the two is constant."""
    spread = float(np.std(one) * np.std(other))
    return float(np.mean((one - one.mean()) * (other - other.mean()))) / spread if spread else 0.0


def _difference(metric: str, *numbers: float) -> Difference:
    champion, candidate, gain, low, high = map(float, numbers)
    return Difference(metric=metric, champion=champion, candidate=candidate, gain=gain, low=low, high=high)


def ratio(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    """0 where there is nothing to divide by, as scikit-learn's `zero_division=0`."""
    return np.divide(part, whole, out=np.zeros(np.broadcast_shapes(part.shape, whole.shape)), where=whole > 0)


def f1(right: Counts, answered: Counts, true: Counts) -> NDArray[np.float64]:
    return ratio(2 * right, answered + true)


def precision(right: Counts, answered: Counts, true: Counts) -> NDArray[np.float64]:
    return ratio(right, answered)


def recall(right: Counts, answered: Counts, true: Counts) -> NDArray[np.float64]:
    return ratio(right, true)


def accuracy(right: Counts, answered: Counts, true: Counts) -> NDArray[np.float64]:
    return ratio(right.sum(1), true.sum(1))


def mcc(right: Counts, answered: Counts, true: Counts) -> NDArray[np.float64]:
    """Of several classes (Gorodkin 2004); 0 where it is undefined."""
    rows = true.sum(1).astype(float)
    covariance = right.sum(1) * rows - (answered * true).sum(1)
    spread = (rows**2 - (answered.astype(float) ** 2).sum(1)) * (rows**2 - (true.astype(float) ** 2).sum(1))
    return ratio(covariance, np.sqrt(spread))


def macro(measure: Metric) -> Metric:
    """The mean over the classes that are there, be it in truth or in answers."""
    return lambda right, answered, true: ratio(
        measure(right, answered, true).sum(1), (answered + true > 0).sum(1).astype(float)
    )


def weighted(measure: Metric) -> Metric:
    return lambda right, answered, true: ratio((measure(right, answered, true) * true).sum(1), true.sum(1))


_OF_CLASSES: Mapping[str, Metric] = {
    "accuracy": accuracy,
    "f1_macro": macro(f1),
    "f1_weighted": weighted(f1),
    "precision_macro": macro(precision),
    "precision_weighted": weighted(precision),
    "recall_macro": macro(recall),
    "mcc": mcc,
}
_OF_LABELS = {
    "accuracy",
    "hamming_loss",
    "precision_micro",
    "recall_micro",
    "f1_micro",
    "f1_macro",
    "f1_weighted",
    "f1_samples",
}
_OF_NUMBERS: Mapping[str, Callable[[NDArray[Any], NDArray[Any]], float]] = {
    "mae": lambda targets, answers: float(np.abs(targets - answers).mean()),
    "mse": lambda targets, answers: float(((targets - answers) ** 2).mean()),
    "rmse": lambda targets, answers: float(((targets - answers) ** 2).mean() ** 0.5),
    "r2": lambda targets, answers: float(1 - ((targets - answers) ** 2).mean() / targets.var()),
    "pearson": _correlation,
    "spearman": lambda targets, answers: _correlation(rankdata(targets), rankdata(answers)),
}

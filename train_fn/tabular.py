"""Gradient boosting on the columns of a table; `train_fn.tabular:epochs` is what a study file names.

The peer that a network on tabular rows has to beat (Grinsztajn et al. 2022, arXiv:2207.08815), searched by the same
command. scikit-learn takes a second to import, so the functions import what they need when they are called.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from train_fn import data
from train_fn.data import TableDataConfig
from train_fn.metrics import HIGHER_IS_BETTER
from train_fn.report import Report
from train_fn.text import TestResult
from train_fn.values import AboveZero, Count, NotNegative, Positive, Rule, Seed, check_values, is_int

Leaves = Annotated[int, Rule("a whole number >= 2", lambda value: is_int(value) and value >= 2)]
Bins = Annotated[int, Rule("a whole number in [2, 255]", lambda value: is_int(value) and 2 <= value <= 255)]


@dataclass(frozen=True, kw_only=True)
class TabularConfig:
    """Everything that one run of boosting depends on, under scikit-learn's own names."""

    data: TableDataConfig  # what to learn from, and how it is split
    learning_rate: Positive = 0.1  # what each tree's answer is multiplied by
    max_iter: Count = 100  # rounds: one tree in each, or one for each class of three or more
    eval_rounds: Count = 10  # rounds from one evaluation, report and checkpoint to the next
    max_leaf_nodes: Leaves = 31  # of a tree
    min_samples_leaf: Count = 20  # rows
    l2_regularization: NotNegative = 0.0  # of the leaves' values
    max_bins: Bins = 255  # into which the values of a column are sorted; also the most words of a column told apart
    max_features: AboveZero = 1.0  # share of the columns, drawn anew for each split of a node
    class_weight: Literal["none", "balanced"] = "none"  # balanced: each class counts the same, however rare
    seed: Seed = 0  # of the draws; apart from the data's seed

    def __post_init__(self) -> None:
        check_values(self)
        if self.data.folds > 1:
            raise ValueError(f"`folds` must be 1 for boosting, which knows one valid split, got {self.data.folds}")
        if self.data.task == "regression" and self.class_weight != "none":
            raise ValueError(
                f"`class_weight` must be none for regression, which has no classes, got {self.class_weight}; "
                "leave it out"
            )

    @property
    def max_epochs(self) -> int:
        """The full budget, as schedulers ask for it: a round goes once over all training rows."""
        return self.max_iter


def train(config: TabularConfig) -> list[Report]:
    """Run all rounds."""
    return list(epochs(config))


def epochs(config: TabularConfig, resume_from: Path | None = None) -> Iterator[Report]:
    """Report after every `eval_rounds` rounds, from the first or from those after a checkpoint.

    The same config, data, machine and versions give the same reports bit for bit, but for the names that start with
    `time/`.
    """
    from train_fn.boosting import boost

    yield from boost(config, resume_from)


def objectives(config: TabularConfig) -> Mapping[str, bool]:
    """Of each metric that a study may go by, whether more of it is better."""
    return HIGHER_IS_BETTER[config.data.task]


def prepare(config: TabularConfig) -> data.Prepared:
    """Find every fault of the data before training."""
    return data.prepare(config.data)


def test(config: TabularConfig, checkpoint: Path) -> TestResult:
    """Open the sealed test split and score a checkpoint, beside the linear model that it has to beat."""
    from train_fn.sealed_columns import score

    return score(config, checkpoint)


def describe(config: TabularConfig, full: bool = False) -> dict[str, Any]:
    """What `hpo check` shows of the data, beside what `prepare` found."""
    from train_fn.describing import describe_data

    return describe_data(config.data, full=full)

"""The honest peer of boosted trees: a linear model on standardised columns, tuned on the valid split."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import f1_score, root_mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from train_fn.data import Splits, TableDataConfig, TableExamples, load


@dataclass(frozen=True, kw_only=True)
class ColumnBaseline:
    """A linear model as fitted to the train split."""

    setting: Mapping[str, Any]
    score: float  # on the valid split, larger is better: weighted F1, or the root mean squared error with a minus
    estimator: Any

    def predict(self, columns: pd.DataFrame) -> NDArray[Any]:
        """Class ids, or numbers."""
        predictions: NDArray[Any] = self.estimator.predict(columns)
        return predictions


def tuned_column_baseline(config: TableDataConfig) -> ColumnBaseline:
    """The best on valid of a small grid fitted to train."""
    with threadpool_limits(1):  # short vectors are slower on two
        return max(fitted_baselines(load(config)), key=lambda baseline: baseline.score)


def fitted_baselines(splits: Splits[TableExamples]) -> Iterator[ColumnBaseline]:
    train, valid = splits.train, splits.valid
    for setting, linear in linear_models(classes=bool(splits.labels)):
        estimator = make_pipeline(standardised(train.columns), linear).fit(train.columns, train.targets)
        guesses = estimator.predict(valid.columns)
        score = (
            f1_score(valid.targets, guesses, average="weighted", zero_division=0)
            if splits.labels
            else -root_mean_squared_error(valid.targets, guesses)
        )
        yield ColumnBaseline(setting=setting, score=float(score), estimator=estimator)


def linear_models(classes: bool) -> Iterator[tuple[dict[str, Any], Any]]:
    """Each setting of the grid, and the model it makes."""
    if not classes:
        for alpha in (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0):
            yield {"model": "Ridge", "alpha": alpha}, Ridge(alpha=alpha)
        return
    for c, weights in product((0.01, 0.1, 1.0, 10.0, 100.0), (None, "balanced")):
        setting = {"model": "LogisticRegression", "C": c, "class_weight": weights}
        yield setting, LogisticRegression(C=c, class_weight=weights, max_iter=1_000, tol=1e-3)


def standardised(columns: pd.DataFrame) -> ColumnTransformer:
    """Numbers with mean 0 and deviation 1, their gaps filled and marked; words one-hot."""
    numbers = list(columns.select_dtypes(include="number").columns)
    words = [name for name in columns if name not in numbers]
    return ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), numbers),
            ("words", OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=100), words),
        ]
    )

"""What a constant answer and a linear model reach on the valid split, in seconds: what training has to beat."""

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from train_fn.column_baseline import standardised
from train_fn.data import Splits, TableExamples, TextExamples
from train_fn.describing import spread_rows
from train_fn.linear_baseline import whole_texts, words
from train_fn.metrics.classification import scores
from train_fn.metrics.multi_label import multi_label_metrics
from train_fn.metrics.regression import regression_metrics

Found = dict[str, Any]  # model, metrics, and of one that was fitted rows and seconds


def constant_answer(splits: Splits[Any]) -> Found | None:
    """The commonest class, each label with its share, or the mean; None for a ranking."""
    known, wanted = splits.train.targets, splits.valid.targets
    if splits.task == "classification":
        commonest = int(np.bincount(known).argmax())
        answer = np.full_like(wanted, commonest)
        return {"model": f"always {splits.labels[commonest]}", "metrics": scores(wanted, answer)}
    if splits.task == "multi_label":
        answer = np.tile(known.mean(axis=0), (len(wanted), 1))
        return {"model": "each label with its share", "metrics": multi_label_metrics(wanted, answer)}
    if splits.task == "regression":
        answer = np.full(len(wanted), known.mean())
        return {"model": f"always {known.mean():.4g}", "metrics": regression_metrics(wanted, answer)}
    return None


def linear_model(splits: Splits[Any], most_rows: int | None = None) -> Found | None:
    """One linear model under one setting, fitted to at most so many rows; None for data that none is made for."""
    began = time.perf_counter()
    if splits.task not in METRICS or type(splits.train) not in KINDS:
        return None
    name, inputs, features, answerers = KINDS[type(splits.train)]
    train, valid, rows = inputs(splits.train), inputs(splits.valid), spread_rows(splits.train.targets, most_rows)
    model = make_pipeline(features(train), answerers[splits.task]())
    with threadpool_limits(1), warnings.catch_warnings():  # short vectors are slower on two
        warnings.simplefilter("ignore")  # one that has not quite converged will do
        answers = model.fit(train.iloc[rows], splits.train.targets[rows]).predict(valid)
    return {
        "model": name,
        "rows": len(rows),
        "metrics": METRICS[splits.task](splits.valid.targets, answers),
        "seconds": round(time.perf_counter() - began, 3),
    }


def texts(examples: TextExamples) -> pd.Series:
    return pd.Series(whole_texts(examples))


def columns(examples: TableExamples) -> pd.DataFrame:
    return examples.columns


OF_TEXTS: dict[str, Callable[[], Any]] = {
    "classification": lambda: LinearSVC(random_state=0),
    "multi_label": lambda: OneVsRestClassifier(LinearSVC(random_state=0)),
    "regression": Ridge,
}
OF_COLUMNS: dict[str, Callable[[], Any]] = {
    "classification": lambda: LogisticRegression(max_iter=1_000, tol=1e-3),
    "regression": Ridge,
}
KINDS: dict[type, tuple[str, Callable[[Any], Any], Callable[[Any], Any], dict[str, Callable[[], Any]]]] = {
    TextExamples: ("linear on TF-IDF of words", texts, lambda _: words(), OF_TEXTS),
    TableExamples: ("linear on standardised columns", columns, standardised, OF_COLUMNS),
}
METRICS: dict[str, Callable[[NDArray[Any], NDArray[Any]], dict[str, float]]] = {
    "classification": scores,
    "multi_label": multi_label_metrics,
    "regression": regression_metrics,
}

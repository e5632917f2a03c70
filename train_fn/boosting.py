"""Boosted trees that grow some rounds at a time, so that a scheduler can stop them and a checkpoint go on with them.

scikit-learn's histogram gradient boosting, after LightGBM (Ke et al. 2017). It sorts the values of a column into at
most 255 bins, treats a missing value as one more of them, and splits words by sets (Fisher 1958), without one-hot.
"""

import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

from train_fn import data
from train_fn.data import TableExamples
from train_fn.metrics.answers import told_classes, told_values
from train_fn.metrics.classification import classification_metrics, confusion, per_class
from train_fn.metrics.regression import regression_metrics
from train_fn.report import Report
from train_fn.saved_estimator import COLUMNS, MODEL, dumped, load_estimator
from train_fn.shown_rows import show_rows, with_rows
from train_fn.tabular import TabularConfig


def boost(config: TabularConfig, resume_from: Path | None = None) -> Iterator[Report]:
    """Grow, evaluate and report, until all rounds are done."""
    splits = data.load(config.data)
    model = load_estimator(resume_from / MODEL) if resume_from else new_model(config, splits.train.columns)
    encoder, booster = model["encode"], model["boost"]
    train, valid = encoder.transform(splits.train.columns), encoder.transform(splits.valid.columns)
    kinds = {str(name): "word" if name in words(splits.train.columns) else "number" for name in splits.train.columns}
    answers, show = right_answers(splits.train, splits.labels), show_rows(config.data)

    for rounds in evaluations(config, done=booster.n_iter_ if resume_from else 0):
        began = time.perf_counter()
        booster.set_params(max_iter=rounds).fit(train, answers)
        grown = time.perf_counter()
        metrics, details, _ = evaluate(booster, valid, splits.valid.targets, splits.labels)
        details = with_rows(details, show)
        metrics |= {"time/train_seconds": grown - began, "time/eval_seconds": time.perf_counter() - grown}
        if not math.isfinite(metrics["loss"]):
            yield Report(epoch=rounds, metrics={}, diverged=f"valid loss is {metrics['loss']} after {rounds} rounds")
            return
        yield Report(
            epoch=rounds,
            metrics=metrics,
            save=lambda folder: save(dumped(model), kinds, config, folder),
            details=details,
        )


def evaluations(config: TabularConfig, done: int) -> list[int]:
    """The rounds after which there is a report; always after the last one."""
    return [*range(done + config.eval_rounds, config.max_iter, config.eval_rounds)] + [config.max_iter] * (
        done < config.max_iter
    )


def new_model(config: TabularConfig, columns: pd.DataFrame) -> Pipeline:
    """Not yet grown; its encoder has seen the training columns."""
    encoder = ColumnTransformer(
        [("words", word_encoder(config), words(columns))], remainder="passthrough", verbose_feature_names_out=False
    ).fit(columns)
    settings: dict[str, Any] = {} if config.data.task == "regression" else {"class_weight": class_weight(config)}
    booster = BOOSTERS[config.data.task](
        learning_rate=config.learning_rate,
        max_leaf_nodes=config.max_leaf_nodes,
        min_samples_leaf=config.min_samples_leaf,
        l2_regularization=config.l2_regularization,
        max_bins=config.max_bins,
        max_features=config.max_features,
        categorical_features=list(range(len(words(columns)))) or None,  # the encoder puts them first
        random_state=config.seed % 2**32,  # as far as scikit-learn goes
        warm_start=True,
        early_stopping=False,  # that is the scheduler's
        **settings,
    )
    return Pipeline([("encode", encoder), ("boost", booster)])


def words(columns: pd.DataFrame) -> list[str]:
    return list(columns.select_dtypes(exclude="number").columns)


BOOSTERS = {"classification": HistGradientBoostingClassifier, "regression": HistGradientBoostingRegressor}


def class_weight(config: TabularConfig) -> str | None:
    return None if config.class_weight == "none" else config.class_weight


def word_encoder(config: TabularConfig) -> OrdinalEncoder:
    """Words as numbers in no order: the rarest share one, and one never seen counts as missing."""
    return OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=np.nan, max_categories=config.max_bins, dtype=np.float64
    )


def right_answers(examples: TableExamples, labels: tuple[str, ...]) -> NDArray[Any]:
    """Names of classes, so that the saved model answers with them; or numbers."""
    return np.array(labels)[examples.targets] if labels else examples.targets


def evaluate(
    model: Any, columns: Any, targets: NDArray[Any], labels: tuple[str, ...]
) -> tuple[dict[str, float], dict[str, Any], NDArray[Any]]:
    """Metrics and details, under the names that `train_fn.evaluation` has, and the predictions: class ids or numbers.

    Where outputs are not finite, neither is the loss, and it is the only metric.
    """
    outputs = model.predict_proba(columns) if labels else model.predict(columns)
    finite = bool(np.isfinite(outputs).all())
    if not labels:
        metrics = regression_metrics(targets, outputs) if finite else {}
        told = {"predictions": told_values(targets.tolist(), outputs.tolist())} if finite else {}
        return {"loss": metrics.get("mse", math.nan), **metrics}, told, outputs
    predictions = outputs.argmax(axis=1)
    details = {
        "classes": per_class(targets, predictions, labels),
        "confusion": confusion(targets, predictions, len(labels)),
    }
    if not finite:
        return {"loss": math.nan}, details, predictions
    loss = float(log_loss(targets, outputs, labels=range(len(labels))))
    details |= told_classes(targets, outputs, labels)
    return {"loss": loss, **classification_metrics(targets, outputs)}, details, predictions


def save(model: bytes, kinds: Mapping[str, str], config: TabularConfig, folder: Path) -> None:
    (folder / MODEL).write_bytes(model)
    for name, content in {COLUMNS: kinds, "config.json": asdict(config)}.items():
        (folder / name).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

"""How finished trees do on the sealed test split of a table."""

from pathlib import Path

from train_fn import data
from train_fn.boosting import evaluate
from train_fn.column_baseline import tuned_column_baseline
from train_fn.metrics.classification import scores
from train_fn.metrics.regression import regression_metrics
from train_fn.saved_estimator import MODEL, load_estimator
from train_fn.tabular import TabularConfig
from train_fn.text import TestResult


def score(config: TabularConfig, checkpoint: Path) -> TestResult:
    labels = data.prepare(config.data).labels
    examples = data.open_test(config.data)
    metrics, _, predictions = evaluate(load_estimator(checkpoint / MODEL), examples.columns, examples.targets, labels)
    baseline = tuned_column_baseline(config.data)
    guesses = baseline.predict(examples.columns)
    return TestResult(
        metrics=metrics,
        baseline=scores(examples.targets, guesses) if labels else regression_metrics(examples.targets, guesses),
        baseline_setting=baseline.setting,
        labels=labels,
        targets=examples.targets.tolist(),
        predictions=predictions.tolist(),
    )

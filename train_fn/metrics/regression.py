"""How good predicted numbers are; scikit-learn and SciPy compute."""

import numpy
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score


def regression_metrics(targets: numpy.ndarray, outputs: numpy.ndarray) -> dict[str, float]:
    """In the unit of the data; left out is what constant targets leave undefined. Constant outputs correlate to 0."""
    targets, outputs = targets.astype(float), outputs.astype(float)
    squared = float(mean_squared_error(targets, outputs))
    metrics = {"mae": float(mean_absolute_error(targets, outputs)), "mse": squared, "rmse": squared**0.5}
    if varies(targets):
        metrics["r2"] = float(r2_score(targets, outputs))
        for name, correlation in {"pearson": pearsonr, "spearman": spearmanr}.items():
            metrics[name] = float(correlation(targets, outputs).statistic) if varies(outputs) else 0.0
    return metrics


def varies(numbers: numpy.ndarray) -> bool:
    return bool(numbers.min() < numbers.max())

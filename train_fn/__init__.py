"""The training core: a leaf that knows neither Ray, MLflow nor the search."""

from train_fn.report import Report as Report

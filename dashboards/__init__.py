"""Figures of a study: a leaf that takes a DataFrame and knows neither Ray, MLflow, Optuna nor torch."""

"""A scikit-learn estimator in a file that cannot run code when it is loaded, and as a model that MLflow serves.

skops (https://skops.readthedocs.io) rebuilds an estimator from plain data, and only from types that are known to be
safe; a pickle could do anything. MLflow's own scikit-learn models name the types to trust themselves: here the list
is fixed, and a file that asks for more is refused.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from train_fn.checkpoint import CheckpointError

if TYPE_CHECKING:
    import pandas as pd

MODEL = "model.skops"
COLUMNS = "columns.json"  # beside it: name of each column that it wants to be asked with -> number or word

# parts of gradient boosting that skops does not know: plain arrays, and how a table of numbers is checked
TRUSTED = [
    "functools.partial",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.utils.validation.check_array",
]


def dumped(estimator: Any) -> bytes:
    """What `load_estimator` reads, free of the estimator: that may go on learning."""
    from skops.io import dumps

    content: bytes = dumps(estimator)
    return content


def load_estimator(path: Path) -> Any:
    from skops.io import load
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        return load(path, trusted=TRUSTED)
    except UntrustedTypesFoundException as error:
        raise CheckpointError(
            f"an estimator must consist of types known to be safe, got others in {path}: "
            f"{' '.join(str(error).split())[:200]}; save it anew from its own training"
        ) from None


class ServedEstimator:
    """Answers a table of columns with `label` and, for classes, `score`, the probability of that label."""

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def predict(self, columns: "pd.DataFrame", params: dict[str, Any] | None = None) -> "pd.DataFrame":
        import pandas as pd

        if not hasattr(self.estimator, "predict_proba"):
            return pd.DataFrame({"label": self.estimator.predict(columns)})
        probabilities = self.estimator.predict_proba(columns)
        labels = self.estimator.classes_[probabilities.argmax(axis=1)]
        return pd.DataFrame({"label": labels, "score": probabilities.max(axis=1)})


def _load_pyfunc(path: str) -> ServedEstimator:
    """The hook that `mlflow.pyfunc.load_model` calls, by the name of this module, with the file beside the model."""
    return ServedEstimator(load_estimator(Path(path)))

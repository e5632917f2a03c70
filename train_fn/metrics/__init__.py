"""How good answers are, from all rows at once; one file per kind of task."""

from collections.abc import Mapping

# of every metric of a validation, by task: whether more is better
HIGHER_IS_BETTER: Mapping[str, Mapping[str, bool]] = {
    "classification": {
        "loss": False,
        "accuracy": True,
        "precision_weighted": True,
        "precision_macro": True,
        "recall_macro": True,
        "f1_weighted": True,
        "f1_macro": True,
        "roc_auc": True,
        "mcc": True,
        "ece": False,
    },
    "multi_label": {
        "loss": False,
        "accuracy": True,
        "hamming_loss": False,
        "precision_micro": True,
        "recall_micro": True,
        "f1_micro": True,
        "f1_macro": True,
        "f1_weighted": True,
        "f1_samples": True,
        "roc_auc": True,
        "map": True,
        "ece": False,
    },
    "regression": {
        "loss": False,
        "mae": False,
        "mse": False,
        "rmse": False,
        "r2": True,
        "pearson": True,
        "spearman": True,
    },
    "ranking": {"loss": False, "ndcg": True, "ndcg_at_10": True, "mrr": True, "map": True},
}

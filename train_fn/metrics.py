"""How good a model's answers are."""

import numpy
import torch
from sklearn.metrics import accuracy_score, f1_score
from transformers import PreTrainedModel

from train_fn.batches import collate, evaluation_batches
from train_fn.losses import cross_entropy
from train_fn.precision import autocast
from train_fn.tokens import Tokens


def evaluate(model: PreTrainedModel, tokens: Tokens, precision: str) -> tuple[dict[str, float], numpy.ndarray]:
    """Loss and scores over all rows at once, for a mean of per-batch F1 is no F1; and the predicted class ids."""
    logits = predict(model, tokens, precision)
    predictions = logits.argmax(dim=1)
    # without smoothing, so that trials which smooth differently can be compared
    loss = cross_entropy(logits, tokens.targets, label_smoothing=0.0).item() / len(logits)
    return {"loss": loss, **scores(tokens.targets.cpu().numpy(), predictions.cpu().numpy())}, predictions.cpu().numpy()


@torch.inference_mode()
def predict(model: PreTrainedModel, tokens: Tokens, precision: str) -> torch.Tensor:
    """Logits in fp32, in the order of the rows."""
    model.eval()
    logits = torch.empty(len(tokens.lengths), model.config.num_labels, device=tokens.ids.device)
    for rows in evaluation_batches(tokens.lengths):
        inputs, _ = collate(tokens, rows)
        with autocast(precision, logits.device):
            logits[rows] = model(**inputs).logits.float()
    return logits


def scores(targets: numpy.ndarray, predictions: numpy.ndarray) -> dict[str, float]:
    return {
        "accuracy": float(accuracy_score(targets, predictions)),
        "f1_weighted": float(f1_score(targets, predictions, average="weighted", zero_division=0)),
        "f1_macro": float(f1_score(targets, predictions, average="macro", zero_division=0)),
    }

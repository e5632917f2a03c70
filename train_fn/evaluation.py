"""How good a model's answers are: one pass over the rows, then every metric from all answers together."""

from dataclasses import dataclass
from typing import Any

import numpy
import torch
from transformers import PreTrainedModel

from train_fn.batches import evaluation_batches
from train_fn.losses import classification, ranking, regression
from train_fn.metrics.classification import classification_metrics, confusion, per_class
from train_fn.metrics.ranking import ranking_metrics
from train_fn.metrics.regression import regression_metrics
from train_fn.precision import Resolved, autocast
from train_fn.target_scale import TargetScale
from train_fn.tokens import Tokens, collate
from train_fn.world import ALONE, World


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    metrics: dict[str, float]
    details: dict[str, Any]  # plain values: scores of each class, confusion matrix
    predictions: numpy.ndarray  # class ids, numbers or scores, in the order of the rows


def evaluate(
    model: PreTrainedModel,
    tokens: Tokens,
    precision: Resolved,
    *,
    task: str,
    labels: tuple[str, ...] = (),
    scale: TargetScale | None = None,
    world: World = ALONE,
) -> Evaluation:
    """The mean of per-batch scores would be no score: F1 of two halves does not average to F1."""
    outputs = predict(model, tokens, precision, world)
    targets = tokens.targets
    if task == "classification":
        return classified(outputs, targets, labels)
    numbers = outputs.flatten() if scale is None else scale.unscaled(outputs.flatten())
    measured, given = numbers.numpy(force=True), targets.numpy(force=True)
    if tokens.groups is not None:
        groups = torch.from_numpy(tokens.groups).to(targets.device)
        loss = ranking.listwise(numbers, targets, groups).sum().item() / (int(groups.max()) + 1)
        metrics = ranking_metrics(given, measured, tokens.groups)
    else:
        loss = regression.mse(numbers, targets).mean().item()
        metrics = regression_metrics(given, measured)
    return Evaluation(metrics={"loss": loss, **metrics}, details={}, predictions=measured)


def classified(logits: torch.Tensor, targets: torch.Tensor, labels: tuple[str, ...]) -> Evaluation:
    # unweighted and without smoothing, so that trials which weigh and smooth differently can be compared
    loss = classification.cross_entropy(logits, targets, label_smoothing=0.0).mean().item()
    class_ids, probabilities = targets.numpy(force=True), logits.softmax(dim=1).numpy(force=True)
    predictions = probabilities.argmax(axis=1)
    metrics = {"loss": loss}
    if numpy.isfinite(probabilities).all():  # else the loss says it all
        metrics |= classification_metrics(class_ids, probabilities)
    details = {
        "classes": per_class(class_ids, predictions, labels),
        "confusion": confusion(class_ids, predictions, len(labels)),  # row = true class
    }
    return Evaluation(metrics=metrics, details=details, predictions=predictions)


@torch.inference_mode()
def predict(model: PreTrainedModel, tokens: Tokens, precision: Resolved, world: World = ALONE) -> torch.Tensor:
    """Outputs in fp32, of shape (rows, num_labels), in the order of the rows; processes share the work."""
    model.eval()
    outputs = torch.zeros(len(tokens.lengths), model.config.num_labels, device=tokens.ids.device)
    for rows in evaluation_batches(tokens.lengths)[world.rank :: world.size]:
        with autocast(precision, outputs.device):
            outputs[rows] = model(**collate(tokens, rows)).logits.float()
    world.add_up([outputs])  # each row was left 0 by all processes but one
    return outputs

"""How good a model's answers are: one pass over the rows, then every metric from all answers together.

A mean of per-batch scores would be no score: the F1 of two halves does not average to the F1 of the whole.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy
import torch
from transformers import PreTrainedModel

from train_fn.batches import evaluation_batches
from train_fn.losses.classification import cross_entropy
from train_fn.losses.ranking import listwise
from train_fn.losses.regression import mse
from train_fn.metrics.classification import classification_metrics, confusion, per_class
from train_fn.metrics.ranking import ranking_metrics
from train_fn.metrics.regression import regression_metrics
from train_fn.precision import Resolved, autocast, products
from train_fn.target_scale import TargetScale
from train_fn.tokens import Tokens, collate
from train_fn.world import ALONE, World


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Where outputs are not finite, neither is the loss, and it is the only metric."""

    metrics: dict[str, float]  # the loss is the plain one of the task, so that trials with other losses can be compared
    predictions: numpy.ndarray  # class ids, numbers or scores, in the order of the rows
    details: dict[str, Any] = field(default_factory=dict)  # plain values: scores of each class, confusion matrix


def evaluate(
    model: PreTrainedModel,
    tokens: Tokens,
    precision: Resolved,
    *,
    labels: tuple[str, ...] = (),
    scale: TargetScale | None = None,
    world: World = ALONE,
) -> Evaluation:
    """Of classes where there are labels, of an order where there are queries, else of numbers."""
    outputs = predict(model, tokens, precision, world)
    if labels:
        return of_classes(outputs, tokens.targets, labels)
    numbers = outputs.flatten() if scale is None else scale.unscaled(outputs.flatten())
    if tokens.groups is not None:
        return of_order(numbers, tokens.targets, tokens.groups)
    return of_numbers(numbers, tokens.targets)


@torch.inference_mode()
def predict(model: PreTrainedModel, tokens: Tokens, precision: Resolved, world: World = ALONE) -> torch.Tensor:
    """Outputs in fp32, of shape (rows, num_labels), in the order of the rows; processes share the work."""
    model.eval()
    outputs = torch.zeros(len(tokens.lengths), model.config.num_labels, device=tokens.ids.device)
    for rows in evaluation_batches(tokens.lengths)[world.rank :: world.size]:
        with products(precision), autocast(precision, outputs.device):
            outputs[rows] = model(**collate(tokens, rows)).logits.float()
    world.add_up([outputs])  # each row was left 0 by all processes but one
    return outputs


def of_classes(logits: torch.Tensor, targets: torch.Tensor, labels: tuple[str, ...]) -> Evaluation:
    loss = cross_entropy(logits, targets, label_smoothing=0.0).mean().item()
    class_ids, probabilities = targets.numpy(force=True), logits.softmax(dim=1).numpy(force=True)
    predictions = probabilities.argmax(axis=1)
    finite = numpy.isfinite(probabilities).all()
    return Evaluation(
        metrics={"loss": loss, **(classification_metrics(class_ids, probabilities) if finite else {})},
        predictions=predictions,
        details={
            "classes": per_class(class_ids, predictions, labels),
            "confusion": confusion(class_ids, predictions, len(labels)),
        },
    )


def of_numbers(outputs: torch.Tensor, targets: torch.Tensor) -> Evaluation:
    loss = mse(outputs, targets).mean().item()
    predictions = outputs.numpy(force=True)
    finite = numpy.isfinite(predictions).all()
    metrics = regression_metrics(targets.numpy(force=True), predictions) if finite else {}
    return Evaluation(metrics={"loss": loss, **metrics}, predictions=predictions)


def of_order(scores: torch.Tensor, grades: torch.Tensor, groups: numpy.ndarray) -> Evaluation:
    loss = listwise(scores, grades, torch.from_numpy(groups).to(scores.device)).sum().item() / (groups.max() + 1)
    predictions = scores.numpy(force=True)
    finite = numpy.isfinite(predictions).all()
    metrics = ranking_metrics(grades.numpy(force=True), predictions, groups) if finite else {}
    return Evaluation(metrics={"loss": float(loss), **metrics}, predictions=predictions)

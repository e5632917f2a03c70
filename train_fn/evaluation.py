"""How good a model's answers are: one pass over the rows, then every metric from all answers together.

A mean of per-batch scores would be no score: the F1 of two halves does not average to the F1 of the whole.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy
import torch
from transformers import PreTrainedModel

from train_fn.batches import EVALUATION_ROWS, cut, evaluation_batches
from train_fn.losses.classification import cross_entropy
from train_fn.losses.multi_label import bce
from train_fn.losses.ranking import listwise
from train_fn.losses.regression import mse
from train_fn.material import Inputs, Rows
from train_fn.metrics.answers import told_classes, told_labels, told_values
from train_fn.metrics.classification import classification_metrics, confusion, per_class
from train_fn.metrics.multi_label import multi_label_metrics
from train_fn.metrics.ranking import ranking_metrics
from train_fn.metrics.regression import regression_metrics
from train_fn.out_of_memory import with_halving
from train_fn.precision import Resolved, autocast, products
from train_fn.sharding import is_sharded
from train_fn.target_scale import TargetScale
from train_fn.world import ALONE, World


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Where outputs are not finite, neither is the loss, and it is the only metric."""

    metrics: dict[str, float]  # the loss is the plain one of the task, so that trials with other losses can be compared
    predictions: numpy.ndarray  # class ids, 0 and 1 for each label, numbers or scores, in the order of the rows
    details: dict[str, Any] = field(default_factory=dict)  # plain values: scores of each class, single answers ...


def evaluate(
    model: PreTrainedModel,
    inputs: Inputs,
    precision: Resolved,
    *,
    task: str,
    labels: tuple[str, ...] = (),
    scale: TargetScale | None = None,
    world: World = ALONE,
) -> Evaluation:
    outputs = predict(model, inputs, precision, world)
    return judge(outputs if scale is None else scale.unscaled(outputs), inputs, task=task, labels=labels)


def judge(outputs: torch.Tensor, inputs: Inputs, *, task: str, labels: tuple[str, ...]) -> Evaluation:
    """From outputs (rows, num_labels) in the unit of the data. Which metrics there are depends on the targets alone."""
    if task == "classification":
        return of_classes(outputs, inputs.targets, labels)
    if task == "multi_label":
        return of_labels(outputs, inputs.targets, labels)
    if inputs.groups is not None:
        return of_order(outputs.flatten(), inputs.targets, inputs.groups)
    return of_numbers(outputs.flatten(), inputs.targets)


@torch.inference_mode()
def predict(model: PreTrainedModel, inputs: Inputs, precision: Resolved, world: World = ALONE) -> torch.Tensor:
    """Outputs in fp32, of shape (rows, num_labels), in the order of the rows; processes share the work."""
    model.eval()
    outputs = torch.zeros(len(inputs.lengths), model.config.num_labels, device=inputs.targets.device)
    most = EVALUATION_ROWS  # at once, or as many as there is room for
    for rows in evaluation_batches(inputs.lengths)[world.rank :: world.size]:

        def take(size: int, rows: Rows = rows) -> None:
            for part in cut(rows, size):
                with products(precision, outputs.device), autocast(precision, outputs.device):
                    outputs[part] = model(**inputs.collate(part)[0]).logits.float()

        if is_sharded(model):  # the others would wait for ever for one that begins anew
            take(most)
        else:
            _, most = with_halving(take, most, undo=lambda: None)
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
            **(told_classes(class_ids, probabilities, labels) if finite else {}),
        },
    )


def of_labels(logits: torch.Tensor, targets: torch.Tensor, labels: tuple[str, ...]) -> Evaluation:
    loss = bce(logits, targets).mean().item()
    wanted, probabilities = targets.numpy(force=True), logits.sigmoid().numpy(force=True)
    predictions = (probabilities > 0.5).astype(int)
    finite = numpy.isfinite(probabilities).all()
    return Evaluation(
        metrics={"loss": loss, **(multi_label_metrics(wanted, probabilities) if finite else {})},
        predictions=predictions,
        details={
            "classes": per_class(wanted, predictions, labels),
            **(told_labels(wanted, probabilities, labels) if finite else {}),
        },
    )


def of_numbers(outputs: torch.Tensor, targets: torch.Tensor) -> Evaluation:
    loss = mse(outputs, targets).mean().item()
    predictions = outputs.numpy(force=True)
    finite = numpy.isfinite(predictions).all()
    metrics = regression_metrics(targets.numpy(force=True), predictions) if finite else {}
    told = {"predictions": told_values(targets.tolist(), predictions.tolist())} if finite else {}
    return Evaluation(metrics={"loss": loss, **metrics}, predictions=predictions, details=told)


def of_order(scores: torch.Tensor, grades: torch.Tensor, groups: numpy.ndarray) -> Evaluation:
    loss = listwise(scores, grades, torch.from_numpy(groups).to(scores.device)).sum().item() / (groups.max() + 1)
    predictions = scores.numpy(force=True)
    finite = numpy.isfinite(predictions).all()
    metrics = ranking_metrics(grades.numpy(force=True), predictions, groups) if finite else {}
    return Evaluation(metrics={"loss": float(loss), **metrics}, predictions=predictions)

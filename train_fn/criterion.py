"""What training makes small: a weighted sum over rows, to be divided by the number of rows in the whole batch.

Sums, not means: k micro-batches, however uneven, then add up to exactly one batch, also of weighted rows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy
import torch

from train_fn.class_weights import class_weights
from train_fn.config import LossName, TrainingConfig, loss_of
from train_fn.losses import classification, multi_label, ranking, regression
from train_fn.material import Inputs
from train_fn.r_drop import divergence

RowLoss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]  # outputs, targets, groups -> (rows,)


@dataclass(frozen=True, kw_only=True)
class Criterion:
    task: str
    row_loss: RowLoss
    row_counts: torch.Tensor  # 1 for each row of the training split; of a ranking, the rows of a query are 1 together
    row_weights: torch.Tensor  # what the loss of each row is multiplied by, 1 on average; its class weighs besides
    class_weights: torch.Tensor  # of a classification: of each class, 1 on average over the rows
    by_query: bool  # the rows of a query share one loss
    r_drop: float

    def count(self, rows: torch.Tensor) -> torch.Tensor:
        """What the loss of these rows is divided by: their number, or that of their queries.

        Dividing by the weights that happen to be in a batch, as torch's weighted mean does, would take back what
        weighing is for: among rows of one class or length nothing would be left of it.
        """
        return self.row_counts[rows].sum()

    def loss(
        self, outputs: torch.Tensor, targets: torch.Tensor, rows: torch.Tensor, groups: torch.Tensor
    ) -> torch.Tensor:
        """Weighted sum over these rows; under R-Drop `outputs` holds a second pass over them below the first."""
        if self.by_query:
            return self.row_loss(outputs, targets, groups).sum()
        weights = self.row_weights[rows]
        if self.task == "classification":  # of mixed rows, by their shares of several classes
            weights = weights * (targets @ self.class_weights if targets.ndim == 2 else self.class_weights[targets])
        if not self.r_drop:
            return weights @ self.row_loss(outputs, targets, groups)
        first, second = outputs.chunk(2)
        twice = (self.row_loss(first, targets, groups) + self.row_loss(second, targets, groups)) / 2
        return weights @ (twice + self.r_drop * divergence(first, second, self.task))


def criterion(config: TrainingConfig, task: str, inputs: Inputs, num_classes: int) -> Criterion:
    loss, device = loss_of(config, task), inputs.targets.device
    counts = row_counts(inputs)
    weights = counts * inputs.lengths / inputs.lengths.mean() if config.loss_weighting == "tokens" else counts
    return Criterion(
        task=task,
        row_loss=LOSSES[loss](config),
        row_counts=torch.from_numpy(counts).float().to(device),
        row_weights=torch.from_numpy(weights).float().to(device),
        class_weights=torch.from_numpy(weights_of_classes(config, task, inputs, num_classes)).float().to(device),
        by_query=loss in ("pairwise", "listwise"),
        r_drop=config.r_drop,
    )


def row_counts(inputs: Inputs) -> numpy.ndarray:
    if inputs.groups is None:
        return numpy.ones(len(inputs.lengths))
    return 1 / numpy.bincount(inputs.groups)[inputs.groups]


def weights_of_classes(config: TrainingConfig, task: str, inputs: Inputs, num_classes: int) -> numpy.ndarray:
    if task != "classification":
        return numpy.ones(num_classes)
    class_ids = inputs.targets.numpy(force=True)
    counts = numpy.bincount(class_ids, minlength=num_classes)
    weights = class_weights(config.class_weights, counts, config.effective_number_beta)
    return weights / weights[class_ids].mean()


# name -> (config -> loss of each row)
LOSSES: Mapping[LossName, Callable[[TrainingConfig], RowLoss]] = {
    "cross_entropy": lambda c: of_classes(partial(classification.cross_entropy, label_smoothing=c.label_smoothing)),
    "focal": lambda c: of_classes(
        partial(classification.focal, gamma=c.focal_gamma, label_smoothing=c.label_smoothing)
    ),
    "bce": lambda c: of_classes(multi_label.bce),
    "mse": lambda c: of_numbers(regression.mse),
    "mae": lambda c: of_numbers(regression.mae),
    "huber": lambda c: of_numbers(partial(regression.huber, delta=c.huber_delta)),
    "pairwise": lambda c: lambda outputs, targets, groups: ranking.pairwise(outputs.flatten(), targets, groups),
    "listwise": lambda c: lambda outputs, targets, groups: ranking.listwise(outputs.flatten(), targets, groups),
}


def of_classes(loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> RowLoss:
    return lambda logits, targets, groups: loss(logits, targets)


def of_numbers(loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> RowLoss:
    """The model's one output is of shape (rows, 1)."""
    return lambda outputs, targets, groups: loss(outputs.flatten(), targets)

"""What training makes small: a sum over rows, to be divided by their weight in the whole batch.

Sums, not means: k micro-batches, however uneven, then add up to exactly one batch, also of weighted rows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy
import torch

from train_fn.class_weights import class_weights
from train_fn.config import LossName, TrainingConfig, loss_of
from train_fn.losses import classification, ranking, regression
from train_fn.r_drop import divergence
from train_fn.tokens import Tokens

RowLoss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]  # outputs, targets, groups -> (rows,)


@dataclass(frozen=True, kw_only=True)
class Criterion:
    task: str
    row_loss: RowLoss
    row_weights: torch.Tensor  # of each row of the training split
    by_query: bool  # the rows of a query share one loss, and not each of them counts but the query
    r_drop: float

    def weight(self, rows: torch.Tensor) -> torch.Tensor:
        """What the loss of these rows is divided by; never 0 for a batch."""
        return self.row_weights[rows].sum()

    def loss(
        self, outputs: torch.Tensor, targets: torch.Tensor, rows: torch.Tensor, groups: torch.Tensor
    ) -> torch.Tensor:
        """Weighted sum over these rows; under R-Drop `outputs` holds a second pass over them below the first."""
        weights = self.row_weights[rows]
        if self.by_query:
            return self.row_loss(outputs, targets, groups).sum()
        if not self.r_drop:
            return weights @ self.row_loss(outputs, targets, groups)
        first, second = outputs.chunk(2)
        twice = (self.row_loss(first, targets, groups) + self.row_loss(second, targets, groups)) / 2
        return weights @ (twice + self.r_drop * divergence(first, second, self.task))


def criterion(config: TrainingConfig, task: str, tokens: Tokens, num_classes: int) -> Criterion:
    loss = loss_of(config, task)
    return Criterion(
        task=task,
        row_loss=LOSSES[loss](config),
        by_query=loss in ("pairwise", "listwise"),
        row_weights=row_weights(config, task, tokens, num_classes).to(tokens.targets.device),
        r_drop=config.r_drop,
    )


def row_weights(config: TrainingConfig, task: str, tokens: Tokens, num_classes: int) -> torch.Tensor:
    """Of a classification by class, of any by length; of a ranking such that the rows of a query weigh 1 together."""
    weights = numpy.ones(len(tokens.lengths))
    if task == "classification":
        class_ids = tokens.targets.numpy(force=True)
        counts = numpy.bincount(class_ids, minlength=num_classes)
        weights = class_weights(config.class_weights, counts, config.effective_number_beta)[class_ids]
    if tokens.groups is not None:
        weights = 1 / numpy.bincount(tokens.groups)[tokens.groups]
    elif config.loss_weighting == "tokens":
        weights = weights * tokens.lengths
    return torch.from_numpy(weights).float()


# name -> (config -> loss of each row)
LOSSES: Mapping[LossName, Callable[[TrainingConfig], RowLoss]] = {
    "cross_entropy": lambda c: of_classes(partial(classification.cross_entropy, label_smoothing=c.label_smoothing)),
    "focal": lambda c: of_classes(
        partial(classification.focal, gamma=c.focal_gamma, label_smoothing=c.label_smoothing)
    ),
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

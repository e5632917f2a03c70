"""What a run is made from, whatever kind of rows it learns from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import numpy
import torch
from transformers import PreTrainedModel

from train_fn.shown_rows import Show

Rows = numpy.ndarray  # int64 row numbers
Batch = tuple[dict[str, torch.Tensor], torch.Tensor]  # what the model takes, and the targets


class Inputs(Protocol):
    """A split as the model takes it."""

    @property
    def lengths(self) -> numpy.ndarray:
        """Tokens of each row, kept on the host: a batch's width must be known without waiting for the device."""

    @property
    def targets(self) -> torch.Tensor:
        """Class ids; or numbers; or, of multi_label, 0 and 1 of shape (rows, labels)."""

    @property
    def groups(self) -> numpy.ndarray | None:
        """Of a ranking: the query of each row, in order."""

    def to(self, device: torch.device) -> Self:
        """The whole split moves at once, if it can, so that a step copies nothing but row numbers."""

    def with_targets(self, targets: torch.Tensor) -> Self: ...

    def width(self, rows: Rows) -> int:
        """Tokens of each of these rows together with their padding."""

    def collate(self, rows: Rows) -> Batch:
        """On the device. A training split may augment, from torch's global random numbers, which the step has set."""

    def expect(self, batches: list[Rows]) -> None:
        """The batches to come: who reads from disk may begin."""


class Processor(Protocol):
    """A tokenizer, or what makes images ready."""

    def save_pretrained(self, folder: Path) -> Any: ...


@dataclass(frozen=True, kw_only=True)
class Material:
    train: Inputs
    valid: Inputs
    task: str
    labels: tuple[str, ...]  # the index is the class id; empty where targets are numbers
    processor: Processor
    model: PreTrainedModel  # with its new head, on the host
    show: Show  # rows of valid in words
    vocabulary: torch.Tensor | None = None  # every token id that the model is given, in order

"""Texts as token ids."""

from dataclasses import dataclass, replace

import numpy
import torch

from train_fn.material import Batch, Rows
from train_fn.token_dropout import hide_tokens

WIDTH = 8  # tokens; the tensor cores of a GPU want widths that are multiples of it


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """All texts of a split in one flat array: text i is `ids[starts[i]:ends[i]]`."""

    ids: torch.Tensor  # int32
    types: torch.Tensor | None  # uint8: 1 in the second text of a pair, for models that are told
    starts: torch.Tensor
    ends: torch.Tensor
    lengths: numpy.ndarray  # on the host: the width of a batch must be known without waiting for the device
    targets: torch.Tensor  # class ids, or numbers
    groups: numpy.ndarray | None  # query of each row of a ranking, in order
    pad_id: int
    padding_side: str = "right"  # left for models that look at the last token, as XLNet
    mask_id: int | None = None  # what stands for a hidden token: [MASK], else the unknown one
    special_ids: tuple[int, ...] = ()  # which are never hidden
    token_dropout: float = 0.0  # of a training split: probability that a token is hidden

    def to(self, device: torch.device) -> "Tokens":
        """The whole split moves at once, so that a step copies nothing but row numbers."""
        return replace(
            self,
            ids=self.ids.to(device),
            types=None if self.types is None else self.types.to(device),
            starts=self.starts.to(device),
            ends=self.ends.to(device),
            targets=self.targets.to(device),
        )

    def with_targets(self, targets: torch.Tensor) -> "Tokens":
        return replace(self, targets=targets)

    def take(self, rows: Rows) -> "Tokens":
        """Some of the rows, whose ids stay where they are."""
        index = torch.from_numpy(rows)
        return replace(
            self,
            starts=self.starts[index],
            ends=self.ends[index],
            lengths=self.lengths[rows],
            targets=self.targets[index],
            groups=None if self.groups is None else numpy.unique(self.groups[rows], return_inverse=True)[1],
        )

    def joined(self, more: "Tokens") -> "Tokens":
        """These rows and then those, both without queries."""
        return replace(
            self,
            ids=torch.cat([self.ids, more.ids]),
            types=None if self.types is None or more.types is None else torch.cat([self.types, more.types]),
            starts=torch.cat([self.starts, more.starts + len(self.ids)]),
            ends=torch.cat([self.ends, more.ends + len(self.ids)]),
            lengths=numpy.concatenate([self.lengths, more.lengths]),
            targets=torch.cat([self.targets, more.targets]),
        )

    def width(self, rows: Rows) -> int:
        longest = int(self.lengths[rows].max())
        return longest if self.ids.device.type == "cpu" else -(-longest // WIDTH) * WIDTH

    def collate(self, rows: Rows) -> Batch:
        """Inputs of shape (rows, longest of them), put together on the device that holds the tokens."""
        device = self.ids.device
        index = torch.from_numpy(rows).to(device, non_blocking=True)
        width, starts, ends = self.width(rows), self.starts[index, None], self.ends[index, None]
        positions = (starts if self.padding_side == "right" else ends - width) + torch.arange(width, device=device)
        mask = (starts <= positions) & (positions < ends)
        positions = positions.clamp(0, len(self.ids) - 1)
        ids = self.ids[positions].long().where(mask, self.pad_id)
        if self.token_dropout:
            assert self.mask_id is not None  # else it was refused
            ids = hide_tokens(ids, self.token_dropout, self.mask_id, self.special_ids)
        inputs = {
            "input_ids": ids,
            "attention_mask": mask.long(),
        }
        if self.types is not None:
            inputs["token_type_ids"] = self.types[positions].long().where(mask, 0)
        return inputs, self.targets[index]

    def expect(self, batches: list[Rows]) -> None:
        """Nothing to be read: all tokens are there."""

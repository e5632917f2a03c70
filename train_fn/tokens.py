"""Texts as token ids."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import chain

import numpy
import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from train_fn import data
from train_fn.data import DataConfig, Examples
from train_fn.model import model_folder

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

    def width(self, rows: numpy.ndarray) -> int:
        """Of the padded inputs for these rows."""
        longest = int(self.lengths[rows].max())
        return longest if self.ids.device.type == "cpu" else -(-longest // WIDTH) * WIDTH


@dataclass(frozen=True, kw_only=True)
class TokenSplits:
    train: Tokens
    valid: Tokens
    task: str
    labels: tuple[str, ...]
    tokenizer: PreTrainedTokenizerBase

    @cached_property
    def vocabulary(self) -> torch.Tensor:
        """Every token id that a model is given, in order."""
        return torch.cat([self.train.ids, self.valid.ids, torch.tensor([self.train.pad_id])]).unique().long()


@lru_cache(maxsize=4)  # a warm worker tokenizes once, however many trials it runs
def tokenized_splits(config: DataConfig, model: str, max_length: int) -> TokenSplits:
    splits = data.load(config)
    tokenizer = AutoTokenizer.from_pretrained(model_folder(model, config))
    return TokenSplits(
        train=tokenize(splits.train, tokenizer, max_length),
        valid=tokenize(splits.valid, tokenizer, max_length),
        task=splits.task,
        labels=splits.labels,
        tokenizer=tokenizer,
    )


def tokenize(examples: Examples, tokenizer: PreTrainedTokenizerBase, max_length: int) -> Tokens:
    if max_length > tokenizer.model_max_length:
        raise ValueError(
            f"`max_length` must be at most the model's {tokenizer.model_max_length}, got {max_length}; "
            f"try {tokenizer.model_max_length}"
        )
    if tokenizer.pad_token_id is None:
        raise ValueError(
            "`model` must have a padding token, got a tokenizer without one; set its pad_token and save it"
        )
    encoded = tokenizer(examples.texts, examples.pairs, truncation=True, max_length=max_length)
    rows: Sequence[list[int]] = encoded["input_ids"]
    lengths = numpy.fromiter((len(ids) for ids in rows), dtype=numpy.int64, count=len(rows))
    ends = numpy.cumsum(lengths)
    told_apart = examples.pairs is not None and "token_type_ids" in encoded
    return Tokens(
        ids=flat(rows, numpy.int32),
        types=flat(encoded["token_type_ids"], numpy.uint8) if told_apart else None,
        starts=torch.from_numpy(ends - lengths),
        ends=torch.from_numpy(ends),
        lengths=lengths,
        targets=torch.from_numpy(examples.targets),
        groups=examples.groups,
        pad_id=tokenizer.pad_token_id,
    )


def flat(rows: Sequence[list[int]], dtype: type[numpy.integer]) -> torch.Tensor:
    return torch.from_numpy(numpy.fromiter(chain.from_iterable(rows), dtype=dtype, count=sum(map(len, rows))))


def collate(tokens: Tokens, rows: numpy.ndarray) -> dict[str, torch.Tensor]:
    """Inputs of shape (rows, longest of them), put together on the device that holds the tokens."""
    device = tokens.ids.device
    index = torch.from_numpy(rows).to(device, non_blocking=True)
    positions = tokens.starts[index, None] + torch.arange(tokens.width(rows), device=device)
    mask = positions < tokens.ends[index, None]
    positions = positions.clamp(max=len(tokens.ids) - 1)
    inputs = {
        "input_ids": tokens.ids[positions].long().where(mask, tokens.pad_id),
        "attention_mask": mask.long(),
    }
    if tokens.types is not None:
        inputs["token_type_ids"] = tokens.types[positions].long().where(mask, 0)
    return inputs

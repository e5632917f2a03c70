"""Texts as token ids."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

import numpy
import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from train_fn import data
from train_fn.data import DataConfig, Examples
from train_fn.model import model_folder


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """All texts of a split in one flat array: text i is `ids[starts[i]:ends[i]]`."""

    ids: torch.Tensor  # int32
    starts: torch.Tensor
    ends: torch.Tensor
    lengths: numpy.ndarray  # on the host: the width of a batch must be known without waiting for the device
    targets: torch.Tensor  # class ids
    pad_id: int

    def to(self, device: torch.device) -> "Tokens":
        """The whole split moves at once, so that a step copies nothing but row numbers."""
        return Tokens(
            ids=self.ids.to(device),
            starts=self.starts.to(device),
            ends=self.ends.to(device),
            lengths=self.lengths,
            targets=self.targets.to(device),
            pad_id=self.pad_id,
        )


@dataclass(frozen=True, kw_only=True)
class TokenSplits:
    train: Tokens
    valid: Tokens
    labels: tuple[str, ...]
    tokenizer: PreTrainedTokenizerBase


@lru_cache(maxsize=4)  # a warm worker tokenizes once, however many trials it runs
def tokenized_splits(config: DataConfig, model: str, max_length: int) -> TokenSplits:
    splits = data.load(config)
    tokenizer = AutoTokenizer.from_pretrained(model_folder(model, config))
    return TokenSplits(
        train=tokenize(splits.train, tokenizer, max_length),
        valid=tokenize(splits.valid, tokenizer, max_length),
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
    encoded: Sequence[list[int]] = tokenizer(examples.texts, truncation=True, max_length=max_length)["input_ids"]
    lengths = numpy.fromiter((len(ids) for ids in encoded), dtype=numpy.int64, count=len(encoded))
    ends = numpy.cumsum(lengths)
    return Tokens(
        ids=torch.from_numpy(numpy.fromiter(chain.from_iterable(encoded), dtype=numpy.int32, count=int(lengths.sum()))),
        starts=torch.from_numpy(ends - lengths),
        ends=torch.from_numpy(ends),
        lengths=lengths,
        targets=torch.from_numpy(examples.targets),
        pad_id=tokenizer.pad_token_id,
    )

"""From texts to token ids, once for all trials."""

import json
import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy
import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from train_fn.data import TextExamples
from train_fn.quiet import quiet
from train_fn.tokens import Tokens

ROWS_AT_ONCE = 10_000  # tokenized together: their lists of Python numbers take ten times the room of the array
RECORD, TOKENIZER, VOCABULARY = "tokens.json", "tokenizer", "vocabulary.npy"
ARRAYS = ("ids", "types", "starts", "ends", "lengths", "targets", "groups")


def write_tokens(folder: Path, model: Path, splits: dict[str, TextExamples], max_length: int) -> None:
    """One .npy for each array of each split, the tokenizer, and tokens.json, which says how long the texts are."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    with quiet():
        tokenizer.save_pretrained(folder / TOKENIZER)
    special = special_tokens(tokenizer)
    vocabulary = {tokenizer.pad_token_id} | ({special["mask_id"]} - {None})
    lengths = {}
    for split, examples in splits.items():
        tokens, cut = tokenize(examples, tokenizer, max_length)
        for name in ARRAYS:
            array = getattr(tokens, name)
            if array is not None:
                numpy.save(folder / f"{split}.{name}.npy", numpy.asarray(array), allow_pickle=False)
        vocabulary |= set(tokens.ids.unique().tolist())
        lengths[split] = {"rows": len(tokens.lengths), "cut": cut, "lengths": numpy.bincount(tokens.lengths).tolist()}
    numpy.save(folder / VOCABULARY, numpy.array(sorted(vocabulary), dtype=numpy.int64), allow_pickle=False)
    record = {"special": special, "max_length": max_length, "splits": lengths}
    (folder / RECORD).write_text(json.dumps(record), encoding="utf-8")


def special_tokens(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """What Tokens need to know of them."""
    mask_id = tokenizer.mask_token_id
    return {
        "pad_id": tokenizer.pad_token_id,
        "padding_side": tokenizer.padding_side,
        "mask_id": tokenizer.unk_token_id if mask_id is None else mask_id,
        "special_ids": tuple(tokenizer.all_special_ids),
    }


def tokenize(examples: TextExamples, tokenizer: PreTrainedTokenizerBase, max_length: int) -> tuple[Tokens, int]:
    """Tokens, and the number of rows that had more than max_length."""
    if max_length > tokenizer.model_max_length:
        raise ValueError(
            f"`max_length` must be at most the model's {tokenizer.model_max_length}, got {max_length}; "
            f"try {tokenizer.model_max_length}"
        )
    if tokenizer.pad_token_id is None:
        raise ValueError(
            "`model` must have a padding token, got a tokenizer without one; set its pad_token and save it"
        )
    ids, types, lengths, cut = [], [], [], 0
    for encoded in in_pieces(examples, tokenizer, max_length):
        rows: Sequence[list[int]] = encoded["input_ids"]
        ids.append(flat(rows, numpy.int32))
        lengths.append(numpy.fromiter(map(len, rows), dtype=numpy.int64, count=len(rows)))
        cut += num_cut(encoded, lengths[-1], max_length)
        if examples.pairs is not None and "token_type_ids" in encoded:
            types.append(flat(encoded["token_type_ids"], numpy.uint8))
    num_tokens = numpy.concatenate(lengths)
    ends = numpy.cumsum(num_tokens)
    tokens = Tokens(
        ids=torch.from_numpy(numpy.concatenate(ids)),
        types=torch.from_numpy(numpy.concatenate(types)) if types else None,
        starts=torch.from_numpy(ends - num_tokens),
        ends=torch.from_numpy(ends),
        lengths=num_tokens,
        targets=torch.from_numpy(examples.targets),
        groups=examples.groups,
        **special_tokens(tokenizer),
    )
    return tokens, cut


def in_pieces(examples: TextExamples, tokenizer: PreTrainedTokenizerBase, max_length: int) -> Iterator[Any]:
    """What the tokenizer says of some thousand rows at a time; a bar on the terminal where that takes long."""
    from rich.console import Console
    from rich.progress import track

    starts = range(0, len(examples.texts), ROWS_AT_ONCE)
    long = len(starts) > 2 and sys.stderr.isatty()
    for start in track(starts, "tokenizing", console=Console(stderr=True), transient=True, disable=not long):
        some = slice(start, start + ROWS_AT_ONCE)
        pairs = None if examples.pairs is None else examples.pairs[some]
        yield tokenizer(examples.texts[some], pairs, truncation=True, max_length=max_length)


def num_cut(encoded: Any, lengths: numpy.ndarray, max_length: int) -> int:
    """A tokenizer written in Python does not tell what it cut: there all that are as long as can be count."""
    full = numpy.flatnonzero(lengths == max_length)
    if encoded.encodings is None:
        return len(full)
    return sum(bool(encoded.encodings[row].overflowing) for row in full)


def flat(rows: Sequence[list[int]], dtype: type[numpy.integer]) -> numpy.ndarray:
    return numpy.fromiter(chain.from_iterable(rows), dtype=dtype, count=sum(map(len, rows)))

"""Texts are made into tokens once, and all trials, workers and studies on the machine read the same pages of memory."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy
import torch

from train_fn import data
from train_fn.cache import made_once
from train_fn.data import TextDataConfig
from train_fn.model import model_folder
from train_fn.tokenizing import ARRAYS, RECORD, TOKENIZER, VOCABULARY, write_tokens
from train_fn.tokens import Tokens

FOLDS = "folds.npy"  # of each row of train
LAYOUT = 3  # raise it when the same texts and tokenizer would give or store other tokens
NOT_OF_A_TOKENIZER = (".safetensors", ".bin", ".h5", ".msgpack", ".onnx", ".md")  # and large


@dataclass(frozen=True, kw_only=True)
class SavedTokenizer:
    """Its files, to be handed on: a trial that finds its tokens made never loads the tokenizer."""

    folder: Path

    def save_pretrained(self, folder: Path) -> None:
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)


@dataclass(frozen=True, kw_only=True)
class TokenSplits:
    train: Tokens
    valid: Tokens
    unlabelled: Tokens | None  # whose targets mean nothing
    task: str
    labels: tuple[str, ...]
    vocabulary: torch.Tensor  # every token id that a model is given, in order
    tokenizer: SavedTokenizer


def tokenized_splits(config: TextDataConfig, model: str, max_length: int, fold: int = 0) -> TokenSplits:
    prepared = data.prepare(config)
    folder = token_folder(config, model_folder(model, config), max_length)
    return read_splits(folder, prepared.task, prepared.labels, fold if config.folds > 1 else None)


@lru_cache(maxsize=10)  # the name of a folder says what is in it; each fold is one
def read_splits(folder: Path, task: str, labels: tuple[str, ...], fold: int | None) -> TokenSplits:
    known = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    special = {**known["special"], "special_ids": tuple(known["special"]["special_ids"])}
    train = read_tokens(folder, "train", special)
    if fold is not None:
        of_row = read_array(folder / FOLDS).numpy()
        train, valid = train.take(numpy.flatnonzero(of_row != fold)), train.take(numpy.flatnonzero(of_row == fold))
    else:
        valid = read_tokens(folder, "valid", special)
    return TokenSplits(
        train=train,
        valid=valid,
        unlabelled=read_tokens(folder, "unlabelled", special) if "unlabelled" in known["splits"] else None,
        task=task,
        labels=labels,
        vocabulary=read_array(folder / VOCABULARY),
        tokenizer=SavedTokenizer(folder=folder / TOKENIZER),
    )


def token_folder(config: TextDataConfig, model: Path, max_length: int) -> Path:
    """Where the tokens of all splits but the sealed test are, made now if need be."""
    prepared = data.prepare(config)
    key = (LAYOUT, prepared.folder.name, prepared.fingerprint, tokenizer_digest(model), max_length)
    name = hashlib.sha256(json.dumps([*key, version("transformers"), version("tokenizers")]).encode()).hexdigest()[:16]

    def fill(folder: Path) -> None:
        splits = data.load_all(config)
        write_tokens(folder, model, splits, max_length)
        if config.folds > 1:
            numpy.save(folder / FOLDS, data.fold_of_rows(config), allow_pickle=False)

    return made_once(prepared.folder.parent.parent / "tokens" / name, fill, config.cache_gb)


def tokenizer_digest(model: Path) -> str:
    """Of the content of the files that a tokenizer may read."""
    files = sorted(path for path in model.iterdir() if path.is_file() and path.suffix not in NOT_OF_A_TOKENIZER)
    return ",".join(file_digest(path, path.stat().st_mtime_ns) for path in files)


@lru_cache(maxsize=64)
def file_digest(path: Path, changed: int) -> str:
    with path.open("rb") as file:
        return f"{path.name}:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def read_tokens(folder: Path, split: str, special: Mapping[str, Any]) -> Tokens:
    arrays = {name: folder / f"{split}.{name}.npy" for name in ARRAYS}
    found = {name: read_array(path) for name, path in arrays.items() if path.is_file()}
    return Tokens(
        ids=found["ids"],
        types=found.get("types"),
        starts=found["starts"],
        ends=found["ends"],
        lengths=found["lengths"].numpy(),
        targets=found["targets"],
        groups=found["groups"].numpy() if "groups" in found else None,
        **special,
    )


def read_array(path: Path) -> torch.Tensor:
    """Pages of the file, shared with whoever reads it, until this process writes to one (and nobody does)."""
    return torch.from_numpy(numpy.load(path, mmap_mode="c"))

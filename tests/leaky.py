"""A trainable that says aloud whatever it knows: it prints, logs, warns, raises and reports texts with secrets in them.

Copied into a working folder. The texts lie in a file outside of it, so that only what leaked is found within.
"""

import json
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from train_fn.report import Report

PARTS = 8


@dataclass(frozen=True, kw_only=True)
class LeakyConfig:
    part: int = 0  # which of the texts
    note: str = ""
    max_epochs: int = 2


@dataclass(frozen=True)
class Prepared:
    fingerprint: str
    first_row: str


def texts() -> list[str]:
    return list(json.loads(Path(os.environ["LEAKY_FILE"]).read_text()))


def prepare(config: LeakyConfig) -> Prepared:
    """What it found goes into the ledger."""
    return Prepared(fingerprint="9f86d081884c7d65", first_row=texts()[0])


def epochs(config: LeakyConfig, resume_from: Path | None = None) -> Iterator[Report]:
    known = texts()[config.part :: PARTS]
    yield Report(epoch=1, metrics={"score": float(config.part), f"loss of {known[0]}": 1.0})
    for text in known:
        print(text)
        print(text, file=sys.stderr)
        logging.getLogger("leaky").warning("cannot log in: %s", text)
        warnings.warn(text, stacklevel=2)
    told = "\n".join(known)
    if config.part % 2:
        raise RuntimeError(told)
    yield Report(epoch=2, metrics={"score": float(config.part)}, diverged=told if config.part % 4 else None)

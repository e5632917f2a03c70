"""Learning from unlabelled texts; `train_fn.pseudo_labels:epochs` is what a study file names.

A teacher learns from the labelled rows, labels the others as far as it is sure, and a student learns from both, anew
from the pretrained weights; the student is the next teacher, until validation no longer gains. Lee 2013
(Pseudo-Label), with classes kept in balance as in Noisy Student (Xie et al. 2020, arXiv:1911.04252). The valid split
stays as it is.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from train_fn import data, text
from train_fn.config import PseudoLabelConfig
from train_fn.report import Report
from train_fn.text import TestResult


def train(config: PseudoLabelConfig) -> list[Report]:
    """Run all rounds."""
    return list(epochs(config))


def epochs(config: PseudoLabelConfig, resume_from: Path | None = None) -> Iterator[Report]:
    """Report after each epoch of each round, counted through, and once more at the end of a round.

    That last one has the metrics `pseudo/round`, `pseudo/rows` (labels handed on) and `pseudo/precision` (of the
    confident answers on valid); its details tell the rows of each class and why there is no further round, if so.
    """
    from train_fn.pseudo_rounds import run_rounds

    yield from run_rounds(config, resume_from)


def check(config: PseudoLabelConfig) -> None:
    """Raise a ValueError for a setting that the model cannot follow; quick, and without the network."""
    text.check(config)


def objectives(config: PseudoLabelConfig) -> Mapping[str, bool]:
    """Of each metric that a study may go by, whether more of it is better."""
    return text.objectives(config)


def prepare(config: PseudoLabelConfig) -> data.Prepared:
    """Find every fault of data, model and device that can be found before training."""
    return text.prepare(config)


def describe(config: PseudoLabelConfig, full: bool = False) -> dict[str, Any]:
    """What `hpo check` shows of the data."""
    return text.describe(config, full)


def test(config: PseudoLabelConfig, checkpoint: Path) -> TestResult:
    """Open the sealed test split and score a checkpoint."""
    return text.test(config, checkpoint)

"""Fine-tuning a pretrained model to classify text; `train_fn.text:epochs` is what a study file names.

torch and transformers take seconds to import, so the functions import what they need when they are called.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from train_fn import data
from train_fn.config import TextConfig, learns_in_part
from train_fn.metrics import HIGHER_IS_BETTER
from train_fn.probing import MEMORY as MEMORY
from train_fn.probing import probe as probe
from train_fn.report import Report, listens
from train_fn.schedules import DECAYING as DECAYING


def train(config: TextConfig) -> list[Report]:
    """Run all epochs."""
    return list(epochs(config))


@listens
def epochs(config: TextConfig, resume_from: Path | None = None) -> Iterator[Report]:
    """Report after each epoch, from the first or from the one after a checkpoint; close the generator to stop the run.

    The same config, data, machine, threads and versions give the same reports bit for bit, but for the names that
    start with `time/`, `speed/` or `memory/`.
    """
    from train_fn.running import run

    yield from run(config, resume_from)


def check(config: TextConfig) -> None:
    """Raise a ValueError for a setting that the model cannot follow; quick, and without the network."""
    from train_fn.architecture import TINY, check_architecture, read_architecture
    from train_fn.pretrained import locate_here

    folder = None if config.model == "tiny" else locate_here(config.model)
    if config.model == "tiny":
        check_architecture(TINY, config, config.max_length)
    elif folder is not None:  # else the hub has it, and `prepare` fetches it
        check_architecture(read_architecture(folder), config, config.max_length)


def objectives(config: TextConfig) -> Mapping[str, bool]:
    """Of each metric that a study may go by, whether more of it is better."""
    return {**HIGHER_IS_BETTER[config.data.task], "train_loss": False}


def prepare(config: TextConfig) -> data.Prepared:
    """Find every fault of data, model and device that can be found before training."""
    from train_fn.pretrained import locate

    if config.model != "tiny":  # which is made from the data
        locate(config.model)
    check(config)
    if config.precision in ("tf32", "bf16", "fp16"):  # which some devices do not have
        from train_fn.precision import resolve
        from train_fn.world import ALONE

        resolve(config.precision, ALONE.device)
    prepared = data.prepare(config.data)
    if learns_in_part(config):
        from train_fn.learning import check_learning
        from train_fn.model import OF_TEXTS, model_folder, read_architecture

        check_learning(read_architecture(model_folder(config.model, config.data)), OF_TEXTS, config)
    return prepared


def preflight(config: TextConfig) -> Iterator[None]:
    """The largest steps of such a run, one each time."""
    from train_fn.preflight import preflight

    yield from preflight(config)


def checkpoint_bytes(config: TextConfig) -> int | None:
    """How large one will be at most; None where that is known only after the first."""
    from train_fn import checkpoint_size

    return checkpoint_size.checkpoint_bytes(config)


def describe(config: TextConfig, full: bool = False) -> dict[str, Any]:
    """What `hpo check` shows of the data, beside what `prepare` found; without torch."""
    from train_fn.describing import describe_data
    from train_fn.pretrained import locate_here

    folder = None if config.model == "tiny" else locate_here(config.model)
    return describe_data(config.data, full=full, model=folder, max_length=config.max_length)


@dataclass(frozen=True, kw_only=True)
class TestResult:
    """How a checkpoint does on rows that no decision of the study has seen."""

    metrics: Mapping[str, float]
    baseline: Mapping[str, float]  # accuracy and F1 of a tuned peer on the same rows
    baseline_setting: Mapping[str, Any]  # what its tuning chose
    labels: tuple[str, ...]  # index = class id
    targets: list[int]
    predictions: list[int]
    groups: list[int] = field(default_factory=list)  # of a ranking: number of each row's query


def test(config: TextConfig, checkpoint: Path) -> TestResult:
    """Open the sealed test split and score a checkpoint, beside the linear model that it has to beat."""
    from train_fn.sealed_test import score

    return score(config, checkpoint)

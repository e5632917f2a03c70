"""Fine-tuning a pretrained model to classify images; `train_fn.images:epochs` is what a study file names.

torch and transformers take seconds to import, so the functions import what they need when they are called.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from train_fn import data
from train_fn.config import ImageConfig
from train_fn.metrics import HIGHER_IS_BETTER
from train_fn.probing import MEMORY as MEMORY
from train_fn.probing import probe as probe
from train_fn.report import Report, listens
from train_fn.schedules import DECAYING as DECAYING
from train_fn.text import TestResult


def train(config: ImageConfig) -> list[Report]:
    """Run all epochs."""
    return list(epochs(config))


@listens
def epochs(config: ImageConfig, resume_from: Path | None = None) -> Iterator[Report]:
    """Report after each epoch, from the first or from the one after a checkpoint; close the generator to stop the run.

    The same config, data, machine, threads and versions give the same reports bit for bit, but for the names that
    start with `time/`, `speed/` or `memory/`.
    """
    from train_fn.running import run

    yield from run(config, resume_from)


def check(config: ImageConfig) -> None:
    """Raise a ValueError for a setting that the model cannot follow; quick, and without the network."""
    from train_fn.architecture import TINY_VIT, check_architecture, read_architecture
    from train_fn.pretrained import locate_here

    folder = None if config.model == "tiny" else locate_here(config.model)
    if config.model == "tiny":
        check_architecture(TINY_VIT, config, None)
    elif folder is not None:  # else the hub has it, and `prepare` fetches it
        check_architecture(read_architecture(folder), config, None)


def objectives(config: ImageConfig) -> Mapping[str, bool]:
    """Of each metric that a study may go by, whether more of it is better."""
    return {**HIGHER_IS_BETTER[config.data.task], "train_loss": False}


def prepare(config: ImageConfig) -> data.Prepared:
    """Find every fault of data, model and device that can be found before training, and decode the images."""
    from train_fn.image_material import prepare_images
    from train_fn.precision import resolve
    from train_fn.world import ALONE

    check(config)
    resolve(config.precision, ALONE.device)  # some devices do not have it
    return prepare_images(config)


def preflight(config: ImageConfig) -> Iterator[None]:
    """The largest steps of such a run, one each time."""
    from train_fn.preflight import preflight

    yield from preflight(config)


def checkpoint_bytes(config: ImageConfig) -> int | None:
    """How large one will be at most; None where that is known only after the first."""
    from train_fn import checkpoint_size

    return checkpoint_size.checkpoint_bytes(config)


def describe(config: ImageConfig, full: bool = False) -> dict[str, Any]:
    """What `hpo check` shows of the data, beside what `prepare` found."""
    from train_fn.describing import describe_data

    return describe_data(config.data, full=full)


def test(config: ImageConfig, checkpoint: Path) -> TestResult:
    """Open the sealed test split and score a checkpoint, beside the classifier on pixels that it has to beat."""
    from train_fn.sealed_images import score

    return score(config, checkpoint)

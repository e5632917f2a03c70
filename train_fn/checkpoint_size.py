"""How large a checkpoint will be at most, told from the files of the pretrained model before anything is trained."""

import json
import math
from pathlib import Path

from train_fn.config import ImageConfig, TextConfig
from train_fn.pretrained import locate_here

BYTES = 4  # of a parameter: weights and moments are kept in fp32, whatever the forward pass computes in

# numbers that an optimizer remembers for each parameter that learns
MOMENTS = {
    "adamw": 2,
    "radam": 2,
    "sgd": 1,
    "adafactor": 0,
}  # adafactor: a row and a column of a matrix, next to nothing


def checkpoint_bytes(config: TextConfig | ImageConfig) -> int | None:
    """None where no file tells: of a model that is trained from nothing, or that the hub has yet to give.

    Frozen layers are counted as if they learned, unless all but the head are frozen, or LoRA learns in their place.
    """
    folder = None if config.model == "tiny" else locate_here(config.model)
    if folder is None:
        return None
    copies = 1 if learns_little(config) else 1 + copies_that_learn(config)
    return num_parameters(folder) * BYTES * copies * max(1, config.data.folds)


def copies_that_learn(config: TextConfig | ImageConfig) -> int:
    """Of the parameters, beside the weights that were evaluated: see train_fn/state.py."""
    averaged = config.ema_decay is not None or config.swa_start is not None
    early_stopping = config.early_stopping_patience is not None
    return MOMENTS[config.optimizer] + config.amsgrad + 2 * averaged + early_stopping


def learns_little(config: TextConfig | ImageConfig) -> bool:
    return config.lora_rank > 0 or config.freeze == "backbone"


def num_parameters(folder: Path) -> int:
    """From the headers of its safetensors files: 8 bytes of length, little-endian, then JSON."""
    found = 0
    for path in folder.glob("*.safetensors"):
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        found += sum(math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")
    return found

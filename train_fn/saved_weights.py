"""The weights of a saved model, by the names that it has in memory.

Files may keep the names of older releases of transformers, as those of ViT do, so that these can load them, too.
"""

import json
from pathlib import Path

import torch
import transformers

from train_fn.quiet import quiet


def saved_weights(folder: Path) -> dict[str, torch.Tensor]:
    """On the host; without those that the files do not hold, which a new model would draw."""
    [name] = json.loads((folder / "config.json").read_text(encoding="utf-8"))["architectures"]
    with quiet(), torch.random.fork_rng(devices=[]):
        model, found = getattr(transformers, name).from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, output_loading_info=True
        )
    return {name: tensor for name, tensor in model.state_dict().items() if name not in found["missing_keys"]}

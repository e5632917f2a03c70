"""What a run needs to go on later as if it had never stopped."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from train_fn.quiet import quiet

MODEL = "model"  # a folder that transformers, and so anybody, can load
OPTIMIZER = "optimizer.safetensors"
PROGRESS = "state.json"


def save_state(
    folder: Path,
    *,
    epoch: int,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
) -> None:
    """Tensors as safetensors and the rest as JSON: nothing that could run code when it is loaded.

    The learning rate and all random numbers follow from the config and the epoch, so they are not stored.
    """
    with quiet():
        model.save_pretrained(folder / MODEL)
        tokenizer.save_pretrained(folder / MODEL)
    save_file(optimizer_tensors(model, optimizer), folder / OPTIMIZER)
    progress = {"epoch": epoch, "scaler": scaler.state_dict()}
    (folder / PROGRESS).write_text(json.dumps(progress, indent=1) + "\n", encoding="utf-8")


def load_state(
    folder: Path, *, model: PreTrainedModel, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler
) -> int:
    """Fill the optimizer and the scaler, and say how many epochs are done; the model was built from its own folder."""
    parameters = dict(model.named_parameters())
    for key, tensor in load_file(folder / OPTIMIZER).items():
        name, _, part = key.rpartition(".")
        optimizer.state[parameters[name]][part] = tensor.to(parameters[name].device)
    progress = json.loads((folder / PROGRESS).read_text(encoding="utf-8"))
    scaler.load_state_dict(progress["scaler"])
    return progress["epoch"]


def optimizer_tensors(model: PreTrainedModel, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """AdamW's moments and step counts by parameter name, which no regrouping of the parameters can confuse."""
    return {
        f"{name}.{part}": tensor
        for name, parameter in model.named_parameters()
        for part, tensor in optimizer.state[parameter].items()
    }

"""How a run goes on from a checkpoint as if it had never stopped."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from train_fn.checkpoint import CheckpointError
from train_fn.compact_embedding import compact_tables
from train_fn.config import TrainingConfig
from train_fn.saved_weights import saved_weights
from train_fn.sharding import like
from train_fn.state import COUNTERS, MODEL, PROGRESS, RECORDS, TRAINING, State, Tensors

# Settings that decide what a checkpoint holds, or what its step counts. All others may change when a run goes on.
MUST_STAY = (
    "model",
    "freeze",
    "freeze_blocks",
    "lora_rank",
    "lora_targets",
    "batch_size",
    "optimizer",
    "amsgrad",
    "precision",
)


def load_state(folder: Path, state: State, config: TrainingConfig) -> None:
    """Bring a state that was made anew to where the checkpoint was written, on whatever device it is.

    Raises a CheckpointError where the folder is damaged, or of a run that this one cannot continue.
    """
    try:
        progress = json.loads((folder / PROGRESS).read_text(encoding="utf-8"))
        refuse_other_run(progress["config"], config, folder)
        training = grouped(load_file(folder / TRAINING))
        saved = saved_weights(folder / MODEL)
        if progress["tensors"] != sum(map(len, training.values())):
            raise KeyError("some of its tensors")
    except (OSError, KeyError, json.JSONDecodeError, SafetensorError) as error:
        said = " ".join(str(error).split())
        raise CheckpointError(f"a checkpoint must be whole, got {folder} damaged: {said}; use an older one") from error
    for name in COUNTERS:
        setattr(state, name, progress[name])
    for name, record in RECORDS.items():
        setattr(state, name, record(**progress[name]))
    state.scaler.load_state_dict(progress["scaler"])

    learned = state.learned
    missing = learned.keys() - saved.keys() - training.get("weights", {}).keys()
    if missing:
        raise CheckpointError(
            f"a checkpoint must hold every weight that learns, got none of {min(missing)} in {folder}; "
            "go on with the model and the data that it is of"
        )
    held = state.model.state_dict()
    for weights in (compact_tables(state.model, saved), training.get("weights", {})):
        # the matrices that LoRA's updates were merged into have another name here
        state.model.load_state_dict(
            {name: like(tensor, held[name]) for name, tensor in weights.items() if name in held}, strict=False
        )
    load_optimizer(state, training["optimizer"])
    load_kept_weights(state, training, config)


def refuse_other_run(before: Mapping[str, Any], config: TrainingConfig, folder: Path) -> None:
    now = json.loads(json.dumps(asdict(config)))  # as it was written
    for name in MUST_STAY:
        if before[name] != now[name]:
            raise CheckpointError(
                f"`{name}` must stay {before[name]} when a run goes on from {folder}, got {now[name]}; "
                "set it back, or begin anew"
            )


def load_kept_weights(state: State, training: Mapping[str, Tensors], config: TrainingConfig) -> None:
    """The averaged and the best weights, as far as they are still asked for; an average that is new begins here."""
    learned = state.learned
    kept = {
        kind: [training[kind][name].to(parameter.device) for name, parameter in learned.items()]
        for kind in ("average", "best")
        if kind in training
    }
    if config.ema_decay is not None:
        state.average = kept.get("average") or [parameter.detach().clone() for parameter in learned.values()]
    elif config.swa_start is not None:
        state.average = kept.get("average")
    if config.early_stopping_patience is not None:
        state.best = kept.get("best")


def load_optimizer(state: State, tensors: Tensors) -> None:
    learned = state.learned
    names = {id(parameter): name for name, parameter in learned.items()}
    parts: dict[str, Tensors] = {}
    for key, tensor in tensors.items():
        name, _, part = key.rpartition(".")
        parts.setdefault(name, {})[part] = like(tensor, learned[name])
    packed = state.optimizer.state_dict()
    order: Sequence[str] = [names[id(p)] for group in state.optimizer.param_groups for p in group["params"]]
    packed["state"] = {index: parts[name] for index, name in enumerate(order) if name in parts}
    state.optimizer.load_state_dict(packed)  # which knows what belongs on which device


def grouped(tensors: Tensors) -> dict[str, Tensors]:
    """By what stands before the first dot."""
    groups: dict[str, Tensors] = {"optimizer": {}}
    for key, tensor in tensors.items():
        kind, _, name = key.partition(".")
        groups.setdefault(kind, {})[name] = tensor
    return groups

"""Everything that training changes, and so all that a run needs to go on later as if it had never stopped."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch.optim import Optimizer
from transformers import PreTrainedModel

from train_fn.averaging import holding
from train_fn.compact_embedding import whole_tables
from train_fn.divergence import LossTrend
from train_fn.lora import has_lora, merged_state_dict
from train_fn.material import Processor
from train_fn.patience import Patience
from train_fn.quiet import quiet
from train_fn.sharding import gathered
from train_fn.target_scale import TargetScale

MODEL = "model"  # a folder that transformers, and so anybody, can load: the weights that were evaluated
TRAINING = "training.safetensors"  # what only a resumed run needs
PROGRESS = "state.json"
EVALUATION = "evaluation.json"  # what was reported with it

VERSIONS = ("torch", "transformers", "safetensors", "tokenizers", "peft")

Tensors = dict[str, torch.Tensor]


@dataclass(kw_only=True)
class State:
    """Random numbers, the order of rows and the learning rate are not here: they follow from config and `step`."""

    model: PreTrainedModel
    optimizer: Optimizer
    scaler: torch.amp.GradScaler
    micro_batch_size: int  # smaller than at the start if memory ran out
    step: int = 0  # optimizer steps taken
    average: list[torch.Tensor] | None = None  # of the learned parameters: EMA or SWA
    num_averaged: int = 0
    trend: LossTrend = LossTrend()
    patience: Patience = Patience()  # of early stopping
    plateau: Patience = Patience()  # of the plateau schedule
    drops: int = 0  # how often the plateau schedule has lowered the rate
    best: list[torch.Tensor] | None = None  # the learned parameters at the best evaluation, kept for early stopping
    restored: bool = False  # the run is over and the model holds the best weights

    @property
    def learned(self) -> Mapping[str, torch.nn.Parameter]:
        """The parameters that an optimizer step may change, by name."""
        ours = {id(parameter) for group in self.optimizer.param_groups for parameter in group["params"]}
        return {name: parameter for name, parameter in self.model.named_parameters() if id(parameter) in ours}


@dataclass(frozen=True, kw_only=True)
class Captured:
    """What a checkpoint is written from."""

    model: PreTrainedModel  # for its configuration alone
    processor: Processor
    weights: Tensors  # of the model that was evaluated
    training: Tensors
    progress: Mapping[str, Any]
    evaluation: Mapping[str, Any] = field(default_factory=dict)

    def copy(self) -> "Captured":
        """In memory of the host, where the run cannot change it any more."""
        return replace(self, weights=on_host(self.weights), training=on_host(self.training))

    def save(self, folder: Path) -> None:
        """Tensors as safetensors and the rest as JSON: nothing that could run code when it is loaded."""
        with quiet():
            self.model.save_pretrained(folder / MODEL, state_dict=self.weights)
            self.processor.save_pretrained(folder / MODEL)
        save_file(self.training, folder / TRAINING)
        for name, content in {PROGRESS: self.progress, EVALUATION: self.evaluation}.items():
            (folder / name).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def captured(
    state: State,
    processor: Processor,
    scale: TargetScale | None,
    config: Mapping[str, Any],
    evaluation: Mapping[str, Any],
) -> Captured:
    learned = state.learned
    with holding(list(learned.values()), state.average):
        merged = has_lora(state.model)
        weights = merged_state_dict(state.model) if merged else state.model.state_dict()
        weights = {name: gathered(tensor) for name, tensor in weights.items()}
        if scale is not None:
            weights = scale.into_head(state.model, weights)
        weights = whole_tables(state.model, weights)
    training = {f"optimizer.{name}": gathered(tensor) for name, tensor in optimizer_tensors(state).items()}
    if state.average is not None or merged or scale is not None:  # the weights of the model are not those that learn
        training |= {f"weights.{name}": parameter.detach() for name, parameter in learned.items()}
    for kind, tensors in {"average": state.average, "best": state.best}.items():
        if tensors is not None:
            training |= {f"{kind}.{name}": tensor for name, tensor in zip(learned, tensors, strict=True)}
    return Captured(
        model=state.model,
        processor=processor,
        weights={name: tensor.detach().contiguous() for name, tensor in weights.items()},
        training={name: tensor.contiguous() for name, tensor in training.items()},
        progress={
            **{name: getattr(state, name) for name in COUNTERS},
            **{name: asdict(getattr(state, name)) for name in RECORDS},
            "scaler": state.scaler.state_dict(),
            "tensors": len(training),
            "config": config,
            "versions": {name: version(name) for name in VERSIONS},
        },
        evaluation=evaluation,
    )


COUNTERS = ("step", "micro_batch_size", "num_averaged", "drops", "restored")
RECORDS = {"trend": LossTrend, "patience": Patience, "plateau": Patience}


def optimizer_tensors(state: State) -> Tensors:
    """Moments and step counts by parameter name, which no regrouping of the parameters can confuse."""
    return {
        f"{name}.{part}": tensor
        for name, parameter in state.learned.items()
        for part, tensor in state.optimizer.state.get(parameter, {}).items()
        if tensor is not None  # SGD's momentum before its first step
    }


def on_host(tensors: Tensors) -> Tensors:
    return {name: tensor.to("cpu", copy=True) for name, tensor in tensors.items()}

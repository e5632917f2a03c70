"""What a run works with and never changes, and the state that it begins in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from train_fn.batches import num_batches
from train_fn.compact_embedding import compact
from train_fn.config import ImageConfig, TextConfig, TrainingConfig
from train_fn.criterion import Criterion, criterion
from train_fn.fast_attention import make_attention_fast
from train_fn.fast_dropout import make_dropout_fast
from train_fn.fused.attention import make_attention_of_lanes
from train_fn.fused.dropout import make_dropout_keyed
from train_fn.image_material import image_material
from train_fn.layer_decay import parameter_groups
from train_fn.learning import choose_learning
from train_fn.material import Inputs, Material, Processor
from train_fn.model import brought_head
from train_fn.monitoring import summary
from train_fn.optimizers import build_optimizer
from train_fn.plan import Plan, plan
from train_fn.precision import Resolved, gradient_scaler, resolve
from train_fn.schedules import schedule
from train_fn.sharding import shard
from train_fn.shown_rows import Show
from train_fn.state import State
from train_fn.target_scale import TargetScale, target_scale
from train_fn.text_material import text_material
from train_fn.world import World, world


@dataclass(frozen=True, kw_only=True)
class Setup:
    config: TrainingConfig
    device: torch.device
    precision: Resolved
    world: World
    task: str
    labels: tuple[str, ...]
    processor: Processor
    train: Inputs  # whose targets are scaled where they are numbers
    valid: Inputs
    show: Show  # rows of valid in words
    groups: torch.Tensor  # query of each training row of a ranking; else 0
    scale: TargetScale | None
    plan: Plan
    criterion: Criterion
    factor: Callable[[int, int], float]  # (step, drops of the plateau schedule) -> of the peak learning rate
    summary: Mapping[str, float]  # of the model: parameters, those that learn, MB
    running: list[torch.Tensor]  # statistics that a forward pass changes, as batch norm's


MATERIALS: Mapping[type[TrainingConfig], Callable[[Any, int], Material]] = {
    TextConfig: text_material,
    ImageConfig: image_material,
}


def material_of(config: TrainingConfig, fold: int = 0) -> Material:
    """What a run is made from, by the kind of its config and, where it is cross-validated, the number of the fold."""
    return MATERIALS[type(config)](config, fold)


MakeMaterial = Callable[[Any], Material]  # from the config


def begin(config: TrainingConfig, make_material: MakeMaterial = material_of) -> tuple[Setup, State]:
    processes = world()
    device = processes.device
    precision = resolve(config.precision, device)
    material = make_material(config)
    task, model = material.task, material.model
    train, valid = material.train.to(device), material.valid.to(device)
    scale = target_scale(train.targets, model) if task == "regression" else None
    if scale is not None:
        train = train.with_targets(scale.scaled(train.targets))
        if brought_head(model):
            scale.take_from_head(model)

    choose_learning(model, config)
    size = summary(model)
    if material.vocabulary is not None:
        compact(model, material.vocabulary)
    if config.fuse_trials:
        make_dropout_keyed(model)
        make_attention_of_lanes(model)
    elif device.type == "cpu":
        make_dropout_fast(model)
        make_attention_fast(model)
    model.to(device)
    if config.sharding == "full":
        shard(model)
    groups = parameter_groups(
        model,
        learning_rate=config.learning_rate,
        layer_decay=config.layer_decay,
        head_learning_rate_multiplier=config.head_learning_rate_multiplier,
        weight_decay=config.weight_decay,
    )
    optimizer = build_optimizer(groups, config)
    state = State(
        model=model,
        optimizer=optimizer,
        scaler=gradient_scaler(precision, device),
        micro_batch_size=config.micro_batch_size or config.batch_size,
    )
    if config.ema_decay is not None:
        state.average = [parameter.detach().clone() for parameter in state.learned.values()]

    steps = plan(config, num_batches(train, config))
    setup = Setup(
        config=config,
        device=device,
        precision=precision,
        world=processes,
        task=task,
        labels=material.labels,
        processor=material.processor,
        train=train,
        valid=valid,
        show=material.show,
        groups=query_of_rows(train),
        scale=scale,
        plan=steps,
        criterion=criterion(config, task, train, len(material.labels)),
        factor=schedule(config, steps.epoch_steps),
        summary=size,
        running=running_statistics(model),
    )
    return setup, state


def query_of_rows(inputs: Inputs) -> torch.Tensor:
    if inputs.groups is None:
        return torch.zeros(len(inputs.lengths), dtype=torch.long, device=inputs.targets.device)
    return torch.from_numpy(inputs.groups).to(inputs.targets.device)


def running_statistics(model: nn.Module) -> list[torch.Tensor]:
    norms = (module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm))
    return [buffer for norm in norms for buffer in norm.buffers()]

"""What a run works with and never changes, and the state that it begins in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from train_fn.batches import num_batches
from train_fn.compact_embedding import compact
from train_fn.config import TextConfig
from train_fn.criterion import Criterion, criterion
from train_fn.fast_attention import make_attention_fast
from train_fn.fast_dropout import make_dropout_fast
from train_fn.freezing import freeze
from train_fn.layer_decay import parameter_groups
from train_fn.lora import add_lora
from train_fn.model import model_folder, new_model
from train_fn.monitoring import summary
from train_fn.optimizers import build_optimizer
from train_fn.plan import Plan, plan
from train_fn.precision import Resolved, gradient_scaler, resolve
from train_fn.schedules import schedule
from train_fn.seeding import torch_stream
from train_fn.sharding import shard
from train_fn.state import State
from train_fn.target_scale import TargetScale, target_scale
from train_fn.tokens import Tokens, tokenized_splits
from train_fn.world import World, world


@dataclass(frozen=True, kw_only=True)
class Setup:
    config: TextConfig
    device: torch.device
    precision: Resolved
    world: World
    task: str
    labels: tuple[str, ...]
    tokenizer: PreTrainedTokenizerBase
    train: Tokens  # whose targets are scaled where they are numbers
    valid: Tokens
    groups: torch.Tensor  # query of each training row of a ranking; else 0
    scale: TargetScale | None
    plan: Plan
    criterion: Criterion
    factor: Callable[[int, int], float]  # (step, drops of the plateau schedule) -> of the peak learning rate
    summary: Mapping[str, float]  # of the model: parameters, those that learn, MB
    running: list[torch.Tensor]  # statistics that a forward pass changes, as batch norm's


def begin(config: TextConfig) -> tuple[Setup, State]:
    processes = world()
    device = processes.device
    precision = resolve(config.precision, device)
    splits = tokenized_splits(config.data, config.model, config.max_length)
    train, valid = splits.train.to(device), splits.valid.to(device)

    model = new_model(config, model_folder(config.model, config.data), splits.labels)
    freeze(model, what=config.freeze, num_blocks=config.freeze_blocks)
    if config.lora_rank:
        with torch_stream(config.seed, "weights", 1):  # 0 drew the head
            add_lora(
                model,
                rank=config.lora_rank,
                alpha=config.lora_alpha,
                dropout=config.lora_dropout,
                targets=config.lora_targets,
            )
    size = summary(model)
    compact(model, splits.vocabulary)
    if device.type == "cpu":
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

    scale = target_scale(train.targets, model) if splits.task == "regression" else None
    if scale is not None:
        train = replace(train, targets=scale.scaled(train.targets))
    steps = plan(config, num_batches(train, config))
    setup = Setup(
        config=config,
        device=device,
        precision=precision,
        world=processes,
        task=splits.task,
        labels=splits.labels,
        tokenizer=splits.tokenizer,
        train=train,
        valid=valid,
        groups=query_of_rows(train),
        scale=scale,
        plan=steps,
        criterion=criterion(config, splits.task, train, len(splits.labels)),
        factor=schedule(config, steps.epoch_steps),
        summary=size,
        running=running_statistics(model),
    )
    return setup, state


def query_of_rows(tokens: Tokens) -> torch.Tensor:
    if tokens.groups is None:
        return torch.zeros(len(tokens.lengths), dtype=torch.long, device=tokens.ids.device)
    return torch.from_numpy(tokens.groups).to(tokens.ids.device)


def running_statistics(model: nn.Module) -> list[torch.Tensor]:
    norms = (module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm))
    return [buffer for norm in norms for buffer in norm.buffers()]

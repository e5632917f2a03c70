"""One optimizer step."""

import math

import numpy
import torch
from torch import nn

from train_fn.averaging import update_ema
from train_fn.batches import parts, share
from train_fn.freezing import unfreeze
from train_fn.material import Batch, Rows
from train_fn.out_of_memory import with_halving
from train_fn.precision import autocast, products
from train_fn.seeding import torch_stream
from train_fn.setup import Setup
from train_fn.sharding import whole
from train_fn.state import State
from train_fn.world import World


def take_step(setup: Setup, state: State, rows: Rows) -> torch.Tensor:
    """Loss, the number of rows and the gradient's norm, as a tensor on the device: nothing in a step waits for it."""
    total = begin_step(setup, state, rows)
    with products(setup.precision, setup.device):
        loss = accumulate(setup, state, rows, total)
    parameters = all_parameters(state)
    if setup.world.size > 1 and setup.config.sharding == "none":  # sharded gradients are summed as they arise
        setup.world.add_up([parameter.grad for parameter in parameters if parameter.grad is not None])
    return torch.stack([loss, total, end_step(setup, state)])


def begin_step(setup: Setup, state: State, rows: Rows) -> torch.Tensor:
    """Ready for new gradients; what the losses of these rows are divided by."""
    if not state.model.training:  # it goes through hundreds of modules
        state.model.train()
    if setup.config.unfreeze_every is not None:
        unfreeze(state.optimizer, state.step / setup.plan.epoch_steps, setup.config.unfreeze_every)
    state.optimizer.zero_grad()  # here, so that the gradients of the last step can be looked at
    return setup.criterion.count(torch.from_numpy(rows).to(setup.device))


def end_step(setup: Setup, state: State) -> torch.Tensor:
    """What follows from the gradients; their norm before clipping."""
    config, optimizer, scaler = setup.config, state.optimizer, state.scaler
    scaler.unscale_(optimizer)  # before clipping, which would otherwise see the scaler's factor
    norm = whole(nn.utils.clip_grad_norm_(all_parameters(state), config.max_grad_norm or math.inf))
    factor = setup.factor(state.step, state.drops)
    for group in optimizer.param_groups:
        group["lr"] = group["peak_lr"] * factor
    scaler.step(optimizer)
    scaler.update()
    state.step += 1
    if config.ema_decay is not None and state.average is not None:
        update_ema(state.average, list(state.learned.values()), config.ema_decay, state.num_averaged)
        state.num_averaged += 1
    return norm


def all_parameters(state: State) -> list[torch.nn.Parameter]:
    return [parameter for group in state.optimizer.param_groups for parameter in group["params"]]


def accumulate(setup: Setup, state: State, rows: Rows, total: torch.Tensor) -> torch.Tensor:
    """Gradients of the whole batch, in as many parts as memory asks for; the sum of this process's losses."""
    world, groups = setup.world, setup.train.groups
    running = [statistic.clone() for statistic in setup.running]

    def take(micro_batch_size: int) -> torch.Tensor:
        # dropout is drawn from the step's own stream, so that a second attempt draws the same
        with torch_stream(setup.config.seed, "dropout", state.step, world.rank):
            mine = own_parts(rows, micro_batch_size, world, groups)
            return torch.stack([backward(setup, state, part, total, counts) for part, counts in mine]).sum()

    def undo() -> None:
        state.optimizer.zero_grad()
        for statistic, before in zip(setup.running, running, strict=True):
            statistic.copy_(before)

    if setup.config.sharding == "full":  # the others would wait for ever for one that begins anew
        return take(state.micro_batch_size)
    loss, state.micro_batch_size = with_halving(take, state.micro_batch_size, undo)
    return loss


def own_parts(rows: Rows, micro_batch_size: int, world: World, groups: numpy.ndarray | None) -> list[tuple[Rows, bool]]:
    """This process's share of a batch in micro-batches, and whether they count.

    All processes have the same number of them, for they meet in each where weights are sharded; who has too few rows
    goes through others that do not count.
    """
    shares = [parts(share(rows, rank, world.size, groups), micro_batch_size, groups) for rank in range(world.size)]
    most, mine = max(shares, key=len), shares[world.rank]
    return [(part, True) for part in mine] + [(part, False) for part in most[len(mine) :]]


def backward(setup: Setup, state: State, rows: Rows, total: torch.Tensor, counts: bool) -> torch.Tensor:
    """Add the gradients of these rows, and say the sum of their losses."""
    inputs, targets = inputs_of(setup, rows)
    with autocast(setup.precision, setup.device):
        outputs = state.model(**inputs).logits
    loss = loss_of(setup, outputs, targets, rows) * counts
    # over the rows of the whole batch: parts of unequal size must add up to its mean
    state.scaler.scale(loss / total).backward()
    return loss.detach()


def inputs_of(setup: Setup, rows: Rows) -> Batch:
    """As the model takes them, twice under R-Drop, and the targets."""
    inputs, targets = setup.train.collate(rows)
    if setup.config.r_drop:
        inputs = {name: torch.cat([tensor, tensor]) for name, tensor in inputs.items()}
    return inputs, targets


def loss_of(setup: Setup, outputs: torch.Tensor, targets: torch.Tensor, rows: Rows) -> torch.Tensor:
    """The sum over these rows."""
    index = torch.from_numpy(rows).to(setup.device)
    return setup.criterion.loss(outputs, targets, index, setup.groups[index])

"""The loop: every step is one step of each lane, on that lane's own batch, as one computation.

Weights and moments are stacked along a first axis, and `torch.func.vmap` turns the layers of all lanes into one. What
a lane learns does not depend on who is beside it, but for rounding: its weights, order of rows and dropout follow from
its own seed, its gradient is clipped by its own norm. A lane that ends leaves the stack, and another may take its place
(horizontally fused arrays, Wang et al. 2021, MLSys, arXiv:2102.02344).
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy
import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from train_fn.fused.dropout import keys
from train_fn.seeding import generator, seed_sequence, torch_stream

Tensors = dict[str, torch.Tensor]  # by name; of shape (lanes, ...)


@dataclass(frozen=True, kw_only=True)
class Lane:
    """What a trial may have of its own; everything that shapes depend on is the same for all."""

    learning_rate: float
    weight_decay: float = 0.01  # decoupled; never on biases and norms
    dropout: float = 0.0
    max_grad_norm: float = 1.0
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What all lanes share."""

    make_model: Callable[[], nn.Module]  # its dropouts are `KeyedDropout`
    batch_size: int = 32
    max_epochs: int = 3
    factor: Callable[[int], float] = lambda step: 1.0  # of the learning rate, for the steps 0, 1, 2 ... of a lane
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8


@dataclass(frozen=True, kw_only=True)
class Examples:
    inputs: torch.Tensor  # (rows, ...)
    targets: torch.Tensor  # (rows,) class ids


@dataclass(frozen=True, kw_only=True)
class Stack:
    """The lanes that train now, as tensors whose first axis they are."""

    numbers: tuple[int, ...]
    parameters: Tensors
    buffers: Tensors
    means: Tensors  # of the gradients
    squares: Tensors
    steps: torch.Tensor  # int64, taken so far by each: they need not have begun together


@dataclass(frozen=True, kw_only=True)
class LaneReport:
    """After an epoch of one lane."""

    epoch: int
    train_loss: float
    valid_loss: float
    accuracy: float


def fuse(
    recipe: Recipe, lanes: Sequence[Lane], train: Examples, valid: Examples, at_once: int | None = None
) -> Generator[dict[int, LaneReport], set[int] | None, None]:
    """Report on the lanes that train, after each epoch; lanes whose numbers are sent are over.

    `at_once` trains at most so many: others take the places of those that end.
    """
    waiting, places = list(range(len(lanes))), at_once or len(lanes)
    base = shape_of(recipe)
    stack: Stack | None = None
    while waiting or stack is not None:
        free = places - (len(stack.numbers) if stack else 0)
        for number in waiting[:free]:
            fresh = begun(recipe, number, lanes[number], train.inputs.device)
            stack = joined(stack, fresh) if stack else fresh
        waiting = waiting[free:]
        assert stack is not None
        stack, losses = train_epoch(recipe, base, stack, [lanes[number] for number in stack.numbers], train)
        reports = evaluated(base, stack, losses, valid, steps_of_epoch(recipe, train))
        over = (yield reports) or set()
        over |= {number for number, one in reports.items() if one.epoch >= recipe.max_epochs}
        stack = kept(stack, [place for place, number in enumerate(stack.numbers) if number not in over])


def train_epoch(
    recipe: Recipe, base: nn.Module, stack: Stack, lanes: Sequence[Lane], train: Examples
) -> tuple[Stack, torch.Tensor]:
    """One pass of each lane over all rows, in its own order; and the mean losses (lanes,)."""
    device, per_epoch = train.inputs.device, steps_of_epoch(recipe, train)
    first = stack.steps.tolist()
    orders = [
        torch.from_numpy(order(lane.seed, step // per_epoch, len(train.targets)))
        for lane, step in zip(lanes, first, strict=True)
    ]
    peaks, decays, clips, rates = (
        # in fp64, as the numbers that torch's optimizers are given: 1 - 0.999 ** steps would lose half its digits
        torch.tensor([getattr(lane, name) for lane in lanes], dtype=torch.float64, device=device)
        for name in ("learning_rate", "weight_decay", "max_grad_norm", "dropout")
    )
    seeds = torch.tensor([seed_of_dropout(lane.seed) for lane in lanes], device=device)
    losses = torch.zeros(len(lanes), device=device)
    base.train()
    for number, rows in enumerate(torch.stack(orders).to(device).split(recipe.batch_size, dim=1)):
        factors = torch.tensor([recipe.factor(step + number) for step in first], dtype=torch.float64, device=device)
        buffers = with_dropout(stack.buffers, rates, seeds, stack.steps)
        gradients, loss = gradients_of(base, stack.parameters, buffers, train.inputs[rows], train.targets[rows])
        stack = adamw(recipe, stack, clipped(gradients, clips), peaks * factors, decays)
        losses += loss * rows.shape[1]
    return stack, losses / len(train.targets)


def gradients_of(
    base: nn.Module, parameters: Tensors, buffers: Tensors, inputs: torch.Tensor, targets: torch.Tensor
) -> tuple[Tensors, torch.Tensor]:
    """Of the mean loss of each lane's batch: inputs (lanes, rows, ...), targets (lanes, rows); losses (lanes,).

    A lane's weights touch its own loss alone, so the gradients of the sum are those of each. Only the forward pass goes
    through `vmap`: what autograd has recorded there are the batched layers, and no transform wraps the way back.
    """
    leaves = {name: tensor.requires_grad_() for name, tensor in parameters.items()}
    logits = vmap(partial(answers, base))(leaves, buffers, inputs)
    losses = nn.functional.cross_entropy(logits.transpose(1, 2), targets, reduction="none").mean(1)
    gradients = torch.autograd.grad(losses.sum(), list(leaves.values()))
    return dict(zip(leaves, gradients, strict=True)), losses.detach()


def answers(base: nn.Module, parameters: Tensors, buffers: Tensors, inputs: torch.Tensor) -> torch.Tensor:
    """Of one lane: (rows, ...) to (rows, classes)."""
    found: torch.Tensor = functional_call(base, (parameters, buffers), (inputs,))
    return found


def clipped(gradients: Tensors, most: torch.Tensor) -> Tensors:
    """Each lane by its own L2 norm (Pascanu et al. 2013, arXiv:1211.5063)."""
    norms = torch.stack([gradient.flatten(1).square().sum(1) for gradient in gradients.values()]).sum(0).sqrt()
    factors = (most / (norms + 1e-6)).clamp(max=1.0)
    return {name: gradient * along(factors, gradient) for name, gradient in gradients.items()}


@torch.no_grad()
def adamw(recipe: Recipe, stack: Stack, gradients: Tensors, rates: torch.Tensor, decays: torch.Tensor) -> Stack:
    """Loshchilov & Hutter 2017 (arXiv:1711.05101), a lane at its own step and rate; in place."""
    beta1, beta2 = recipe.betas
    steps = stack.steps + 1
    size = rates / (1 - beta1 ** steps.double())
    root = (1 - beta2 ** steps.double()).sqrt()
    means, squares, found = (list(one.values()) for one in (stack.means, stack.squares, gradients))
    torch._foreach_lerp_(means, found, 1 - beta1)
    torch._foreach_mul_(squares, beta2)
    torch._foreach_addcmul_(squares, found, found, value=1 - beta2)
    divisors = torch._foreach_sqrt(squares)
    for weights, mean, divisor in zip(stack.parameters.values(), means, divisors, strict=True):
        if weights.dim() > 2:  # a matrix in each lane
            weights.mul_(along(1 - rates * decays, weights))
        weights.addcdiv_(along(size, mean) * mean, divisor.div_(along(root, divisor)).add_(recipe.epsilon), value=-1)
    return replace(stack, steps=steps)


@torch.no_grad()
def evaluated(
    base: nn.Module, stack: Stack, losses: torch.Tensor, valid: Examples, per_epoch: int
) -> dict[int, LaneReport]:
    base.eval()

    logits = vmap(partial(answers, base), in_dims=(0, 0, None))(stack.parameters, stack.buffers, valid.inputs)
    targets = valid.targets.expand(len(stack.numbers), -1)
    valid_losses = nn.functional.cross_entropy(logits.transpose(1, 2), targets, reduction="none").mean(1)
    right = (logits.argmax(2) == targets).float().mean(1)
    told = zip(stack.numbers, stack.steps.tolist(), losses.tolist(), valid_losses.tolist(), right.tolist(), strict=True)
    return {
        number: LaneReport(epoch=steps // per_epoch, train_loss=loss, valid_loss=valid_loss, accuracy=accuracy)
        for number, steps, loss, valid_loss, accuracy in told
    }


def begun(recipe: Recipe, number: int, lane: Lane, device: torch.device) -> Stack:
    """A lane alone, at its first step."""
    with torch_stream(lane.seed, "weights"):
        model = recipe.make_model().to(device)
    parameters, buffers = stack_module_state([model])
    return Stack(
        numbers=(number,),
        parameters={name: tensor.detach() for name, tensor in parameters.items()},
        buffers=buffers,
        means={name: torch.zeros_like(tensor) for name, tensor in parameters.items()},
        squares={name: torch.zeros_like(tensor) for name, tensor in parameters.items()},
        steps=torch.zeros(1, dtype=torch.int64, device=device),
    )


@torch.no_grad()  # or they would hold on to the stack that they come from
def joined(stack: Stack, other: Stack) -> Stack:
    """The lanes of both."""
    both = {
        name: {key: torch.cat([tensor, getattr(other, name)[key]]) for key, tensor in getattr(stack, name).items()}
        for name in STACKED
    }
    return Stack(numbers=stack.numbers + other.numbers, steps=torch.cat([stack.steps, other.steps]), **both)


@torch.no_grad()
def kept(stack: Stack, places: Sequence[int]) -> Stack | None:
    """Those lanes alone; the others' memory is free. None where none are left."""
    if not places or len(places) == len(stack.numbers):
        return stack if places else None
    index = torch.tensor(places, device=stack.steps.device)
    left = {name: {key: tensor[index] for key, tensor in getattr(stack, name).items()} for name in STACKED}
    return Stack(numbers=tuple(stack.numbers[place] for place in places), steps=stack.steps[index], **left)


STACKED = ("parameters", "buffers", "means", "squares")


def with_dropout(buffers: Tensors, rates: torch.Tensor, seeds: torch.Tensor, steps: torch.Tensor) -> Tensors:
    """Each dropout of the model with the lanes' rates, and keys for their next step."""
    places = {name: place for place, name in enumerate(one for one in buffers if one.endswith(".key"))}
    drawn = {name: keys(seeds, steps, place) for name, place in places.items()}
    return {**buffers, **drawn, **{name.removesuffix("key") + "rate": rates.float() for name in places}}


def shape_of(recipe: Recipe) -> nn.Module:
    """The model without weights: what `functional_call` runs with those of a lane."""
    with torch_stream(0, "weights"):
        return recipe.make_model().to("meta")


def order(seed: int, epoch: int, num_rows: int) -> numpy.ndarray:
    """Of the rows of one epoch: a pure function of its arguments."""
    return generator(seed, "order", epoch).permutation(num_rows)


def seed_of_dropout(seed: int) -> int:
    """int64."""
    return int(seed_sequence(seed, "dropout").generate_state(1, numpy.uint64)[0] >> 1)


def steps_of_epoch(recipe: Recipe, train: Examples) -> int:
    return -(-len(train.targets) // recipe.batch_size)


def along(of_lanes: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """(lanes,) as (lanes, 1, 1 ...), in the type of the other."""
    return of_lanes.to(like.dtype).view(-1, *[1] * (like.dim() - 1))

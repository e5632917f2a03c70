"""One step of each lane, on that lane's own batch: the forward and the backward pass as one, the rest each for itself.

What a lane learns does not depend on who is beside it, but for rounding.
"""

from collections.abc import Sequence

import numpy
import torch
from torch.nn import functional

from train_fn.batches import EVALUATION_ROWS, cut, evaluation_batches, parts
from train_fn.evaluation import Evaluation, judge
from train_fn.fused.stack import Stack, Tensors
from train_fn.material import Inputs, Rows
from train_fn.out_of_memory import with_halving
from train_fn.precision import autocast, products
from train_fn.seeding import torch_stream
from train_fn.setup import Setup
from train_fn.state import State
from train_fn.step import begin_step, end_step, inputs_of, loss_of

Run = tuple[Setup, State]


def take_steps(stack: Stack, runs: Sequence[Run], batches: Sequence[Rows]) -> list[torch.Tensor]:
    """Of the first lanes of the stack; of each what `take_step` gives."""
    totals = [begin_step(setup, state, rows) for (setup, state), rows in zip(runs, batches, strict=True)]
    setup, state = runs[0]
    leaves = stack.leaves(len(runs))

    def undo() -> None:
        for leaf in leaves.values():
            leaf.grad = None

    def take(micro_batch_size: int) -> list[torch.Tensor]:
        return accumulate(stack, leaves, runs, batches, totals, micro_batch_size)

    with products(setup.precision, setup.device):
        losses, size = with_halving(take, min(state.micro_batch_size for _, state in runs), undo)
    for _, state in runs:
        state.micro_batch_size = size
    stack.hand_out(leaves)
    return [torch.stack([*found, end_step(*run)]) for *found, run in zip(losses, totals, runs, strict=True)]


def accumulate(
    stack: Stack,
    leaves: Tensors,
    runs: Sequence[Run],
    batches: Sequence[Rows],
    totals: Sequence[torch.Tensor],
    micro_batch_size: int,
) -> list[torch.Tensor]:
    """Gradients of each lane's whole batch, in as many parts as memory asks for; the sums of their losses."""
    cuts = [parts(rows, micro_batch_size, setup.train.groups) for (setup, _), rows in zip(runs, batches, strict=True)]
    losses = [torch.zeros((), device=setup.device) for setup, _ in runs]
    for part in range(max(map(len, cuts))):
        counts = [part < len(one) for one in cuts]  # a lane with fewer parts goes through its first once more
        rows = [one[part if part < len(one) else 0] for one in cuts]
        found = backward(stack, leaves, runs, rows, totals, counts, part)
        losses = [loss + more for loss, more in zip(losses, found, strict=True)]
    return losses


def backward(
    stack: Stack,
    leaves: Tensors,
    runs: Sequence[Run],
    batches: Sequence[Rows],
    totals: Sequence[torch.Tensor],
    counts: Sequence[bool],
    part: int,
) -> list[torch.Tensor]:
    collated = []
    for (setup, state), rows in zip(runs, batches, strict=True):
        with torch_stream(setup.config.seed, "dropout", state.step, part):  # what is drawn for the inputs
            collated.append(inputs_of(setup, rows))
    first = runs[0][0]
    buffers = stack.drawn([state.step for _, state in runs], part)
    with autocast(first.precision, first.device):
        outputs = stack.outputs(leaves, buffers, side_by_side([inputs for inputs, _ in collated]))
    losses, scaled = [], []
    for place, ((setup, state), rows, (inputs, targets)) in enumerate(zip(runs, batches, collated, strict=True)):
        own = outputs[place, : len(next(iter(inputs.values())))]
        losses.append(loss_of(setup, own, targets, rows) * counts[place])
        scaled.append(state.scaler.scale(losses[-1] / totals[place]))
    torch.stack(scaled).sum().backward()  # a lane's weights touch its own loss alone
    return [loss.detach() for loss in losses]


@torch.inference_mode()
def evaluated_together(stack: Stack, places: Sequence[int], runs: Sequence[Run]) -> list[Evaluation]:
    """Of lanes whose rows of valid are as many and as long, and of which these are the places in the stack."""
    if not runs:
        return []
    setups = [setup for setup, _ in runs]
    first = setups[0]
    stack.base.eval()
    num_labels = stack.base.config.num_labels
    outputs = torch.zeros(len(runs), len(first.valid.lengths), num_labels, device=first.device)
    weights = stack.weights_of(places)
    most = EVALUATION_ROWS
    for rows in evaluation_batches(first.valid.lengths):

        def take(size: int, rows: Rows = rows) -> None:
            for part in cut(rows, size):
                inputs = side_by_side([setup.valid.collate(part)[0] for setup in setups])
                with products(first.precision, first.device), autocast(first.precision, first.device):
                    outputs[:, part] = stack.outputs(weights, {}, inputs).float()

        _, most = with_halving(take, most, undo=lambda: None)
    return [
        judge(
            own if setup.scale is None else setup.scale.unscaled(own), setup.valid, task=setup.task, labels=setup.labels
        )
        for setup, own in zip(setups, outputs, strict=True)
    ]


def same_rows(one: Inputs, other: Inputs) -> bool:
    return numpy.array_equal(one.lengths, other.lengths)


def side_by_side(inputs: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """(rows, tokens, ...) of each lane as (lanes, rows, tokens, ...), filled up to the most rows and tokens.

    With the first row again, not with nothing: attention to nothing is no number, and would make none of the gradients.
    """
    found = {}
    for name in inputs[0]:
        tensors = [one[name] for one in inputs]
        shape = [max(sizes) for sizes in zip(*(tensor.shape for tensor in tensors), strict=True)]
        found[name] = torch.stack([filled_up(tensor, shape) for tensor in tensors])
    return found


def filled_up(tensor: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    if list(tensor.shape) == list(shape):
        return tensor
    beyond = [size - own for own, size in zip(tensor.shape[1:], shape[1:], strict=True)]
    wide = functional.pad(tensor, [places for more in reversed(beyond) for places in (0, more)])
    return torch.cat([wide, wide[:1].expand(shape[0] - len(wide), *wide.shape[1:])])

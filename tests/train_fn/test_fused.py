"""Lanes of a stack against the same trials trained alone by plain torch.

In double precision: some gradients are 0 but for rounding (those of the keys' biases), and Adam makes steps of them.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn

from train_fn.fused.dropout import KeyedDropout, keys
from train_fn.fused.lanes import (
    Examples,
    Lane,
    LaneReport,
    Recipe,
    Stack,
    begun,
    fuse,
    joined,
    kept,
    order,
    seed_of_dropout,
    shape_of,
    train_epoch,
)
from train_fn.fused.models import Perceptron, TinyTransformer
from train_fn.seeding import torch_stream

LANES = [
    Lane(learning_rate=1e-2, weight_decay=0.3, dropout=0.2, seed=3),
    Lane(learning_rate=1e-3, weight_decay=0.0, dropout=0.0, seed=4),
    Lane(learning_rate=3e-2, weight_decay=0.1, dropout=0.5, max_grad_norm=0.05, seed=5),
]
RECIPE = Recipe(
    make_model=lambda: Perceptron(6, 3, 8).double(), batch_size=16, factor=lambda step: 1 / (1 + 0.1 * step)
)


def table(rows: int = 72, seed: int = 0) -> Examples:
    """72 rows: the last batch of an epoch has 8."""
    random = torch.Generator().manual_seed(seed)
    inputs = torch.randn(rows, 6, generator=random, dtype=torch.float64)
    return Examples(inputs=inputs, targets=(inputs[:, :3] + 0.3 * torch.randn(rows, 3, generator=random)).argmax(1))


def sentences() -> Examples:
    ids = torch.randint(0, 11, (72, 5), generator=torch.Generator().manual_seed(1))
    return Examples(inputs=ids, targets=ids[:, 0] % 3)


def alone(recipe: Recipe, lane: Lane, train: Examples, epochs: int) -> tuple[nn.Module, list[float]]:
    """By an ordinary module, autograd and torch's own AdamW and clipping; the mean training loss of each epoch."""
    with torch_stream(lane.seed, "weights"):
        model = recipe.make_model()
    decayed = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": lane.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=lane.learning_rate, betas=recipe.betas, eps=recipe.epsilon)
    dropouts = [module for module in model.modules() if isinstance(module, KeyedDropout)]
    step, means = 0, []
    for epoch in range(epochs):
        total = 0.0
        for rows in torch.from_numpy(order(lane.seed, epoch, len(train.targets))).split(recipe.batch_size):
            for place, dropout in enumerate(dropouts):
                dropout.rate = torch.tensor(lane.dropout)
                seed, steps = torch.tensor([seed_of_dropout(lane.seed)]), torch.tensor([step])
                dropout.key = keys(seed, steps, place)[0]
            for group in optimizer.param_groups:
                group["lr"] = lane.learning_rate * recipe.factor(step)
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(train.inputs[rows]), train.targets[rows])
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), lane.max_grad_norm)
            optimizer.step()
            total += loss.item() * len(rows)
            step += 1
        means.append(total / len(train.targets))
    return model, means


def trained(recipe: Recipe, lanes: list[Lane], train: Examples, epochs: int) -> tuple[Stack, list[list[float]]]:
    stack, base, losses = begun(recipe, 0, lanes[0], torch.device("cpu")), shape_of(recipe), []
    for number, lane in enumerate(lanes[1:], start=1):
        stack = joined(stack, begun(recipe, number, lane, torch.device("cpu")))
    for _ in range(epochs):
        stack, means = train_epoch(recipe, base, stack, lanes, train)
        losses.append(means.tolist())
    return stack, losses


def assert_same(stack: Stack, place: int, model: nn.Module) -> None:
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(stack.parameters[name][place], parameter.detach(), rtol=1e-5, atol=1e-7, msg=name)


@pytest.mark.parametrize(
    ("make_model", "train"),
    [(RECIPE.make_model, table()), (lambda: TinyTransformer(11, 5, 3, width=8).double(), sentences())],
    ids=["perceptron", "transformer"],
)
def test_each_lane_learns_what_the_same_trial_learns_alone(
    make_model: Callable[[], nn.Module], train: Examples
) -> None:
    recipe = replace(RECIPE, make_model=make_model)
    stack, losses = trained(recipe, LANES, train, epochs=3)
    for place, lane in enumerate(LANES):
        model, means = alone(recipe, lane, train, epochs=3)
        assert [one[place] for one in losses] == pytest.approx(means, rel=1e-5)
        assert_same(stack, place, model)


def test_a_lane_does_not_notice_who_trains_beside_it() -> None:
    together, _ = trained(RECIPE, LANES, table(), epochs=2)
    for place, lane in enumerate(LANES):
        single, _ = trained(RECIPE, [lane], table(), epochs=2)
        for name, tensor in single.parameters.items():
            torch.testing.assert_close(together.parameters[name][place], tensor[0], rtol=1e-6, atol=1e-9)


def reports(
    lanes: list[Lane], at_once: int | None, stop: Callable[[int, LaneReport], bool]
) -> dict[int, list[LaneReport]]:
    """All reports by lane, where some are told to stop."""
    said: dict[int, list[LaneReport]] = {}
    run = fuse(RECIPE, lanes, table(), table(30, seed=1), at_once)
    over: set[int] | None = None
    while True:
        try:
            told = run.send(over)
        except StopIteration:
            return said
        for number, one in told.items():
            said.setdefault(number, []).append(one)
        over = {number for number, one in told.items() if stop(number, one)}


def test_a_freed_lane_is_taken_by_a_waiting_trial_and_nobody_else_notices() -> None:
    lanes = [*LANES, replace(LANES[0], seed=9)]
    whole = reports(lanes, None, stop=lambda number, one: False)
    packed = reports(lanes, 2, stop=lambda number, one: number == 0 and one.epoch == 1)
    assert [len(packed[number]) for number in range(4)] == [1, 3, 3, 3], "the first was stopped, all others ran"
    for number, said in packed.items():
        for one, other in zip(said, whole[number], strict=False):
            assert one.valid_loss == pytest.approx(other.valid_loss, rel=1e-5)
            assert one.epoch == other.epoch


def test_the_memory_of_a_freed_lane_is_given_back() -> None:
    stack, _ = trained(RECIPE, LANES, table(), epochs=1)
    left = kept(stack, [2])
    assert left is not None and left.numbers == (2,)
    assert sum(t.untyped_storage().nbytes() for t in left.parameters.values()) * 3 == sum(
        t.untyped_storage().nbytes() for t in stack.parameters.values()
    )
    assert kept(stack, []) is None


def test_keyed_dropout_drops_its_share_and_keeps_the_mean() -> None:
    dropout, ones = KeyedDropout(), torch.ones(200, 500)
    dropout.rate = torch.tensor(0.3)
    masks = []
    for step in range(2):
        dropout.key = keys(torch.tensor([7]), torch.tensor([step]), place=0)[0]
        masks.append(dropout(ones))
        share = (masks[-1] == 0).float().mean().item()
        assert abs(share - 0.3) < 4 * math.sqrt(0.3 * 0.7 / ones.numel())
        assert masks[-1].mean().item() == pytest.approx(1.0, abs=0.01)
    both = ((masks[0] == 0) & (masks[1] == 0)).float().mean().item()
    assert abs(both - 0.09) < 0.005, "two steps drop independently"
    rows = (masks[0] == 0).float()
    assert abs(torch.corrcoef(torch.stack([rows[:, :-1].flatten(), rows[:, 1:].flatten()]))[0, 1]) < 0.02
    dropout.eval()
    assert torch.equal(dropout(ones), ones)

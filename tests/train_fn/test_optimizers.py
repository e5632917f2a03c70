import math
from typing import get_args

import pytest
import torch

from train_fn.config import OptimizerName, TrainingConfig
from train_fn.optimizers import OPTIMIZERS, build_optimizer


def after_steps(num_steps=5, **settings):
    """A matrix after steps along known gradients, and those gradients."""
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(4, 3))
    start, seen = weight.detach().clone().double(), []
    config = TrainingConfig(learning_rate=0.01, weight_decay=0.1, **settings)
    optimizer = build_optimizer([{"params": [weight], "lr": 0.01, "weight_decay": 0.1}], config)
    for _ in range(num_steps):
        weight.grad = torch.randn(4, 3)
        seen.append(weight.grad.double().clone())
        optimizer.step()
    return start, seen, weight.detach().double()


def test_every_name_has_an_optimizer():
    assert set(OPTIMIZERS) == set(get_args(OptimizerName))


@pytest.mark.parametrize("amsgrad", [False, True])
def test_adamw_is_the_formula_of_its_paper(amsgrad):
    settings = {"adam_beta1": 0.8, "adam_beta2": 0.9, "adam_epsilon": 1e-3, "amsgrad": amsgrad}
    expected, gradients, got = after_steps(optimizer="adamw", **settings)
    mean, square, largest = torch.zeros(4, 3), torch.zeros(4, 3), torch.zeros(4, 3).double()
    for t, gradient in enumerate(gradients, start=1):
        mean, square = 0.8 * mean + 0.2 * gradient, 0.9 * square + 0.1 * gradient**2
        largest = torch.maximum(largest, square) if amsgrad else square
        expected = expected * (1 - 0.01 * 0.1)
        expected = expected - 0.01 * (mean / (1 - 0.8**t)) / (torch.sqrt(largest / (1 - 0.9**t)) + 1e-3)
    torch.testing.assert_close(got, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_is_the_formula_of_its_paper(nesterov):
    expected, gradients, got = after_steps(optimizer="sgd", momentum=0.7, nesterov=nesterov)
    velocity = torch.zeros(4, 3)
    for gradient in gradients:
        gradient = gradient + 0.1 * expected
        velocity = 0.7 * velocity + gradient
        expected = expected - 0.01 * (gradient + 0.7 * velocity if nesterov else velocity)
    torch.testing.assert_close(got, expected, atol=1e-6, rtol=0)


def test_radam_takes_plain_momentum_steps_until_its_variance_is_known():
    expected, gradients, got = after_steps(optimizer="radam")
    mean = torch.zeros(4, 3)
    for t, gradient in enumerate(gradients, start=1):  # rho_t is above 5 only from the sixth step on
        mean = 0.9 * mean + 0.1 * gradient
        expected = expected * (1 - 0.01 * 0.1) - 0.01 * mean / (1 - 0.9**t)
    torch.testing.assert_close(got, expected, atol=1e-6, rtol=0)


def test_adafactor_remembers_a_row_and_a_column_in_place_of_a_matrix():
    weight = torch.nn.Parameter(torch.randn(40, 30))
    optimizer = build_optimizer(
        [{"params": [weight], "lr": 0.01, "weight_decay": 0.0}], TrainingConfig(optimizer="adafactor")
    )
    weight.grad = torch.randn(40, 30)
    optimizer.step()
    assert sum(part.numel() for part in optimizer.state[weight].values()) < 40 + 30 + 10


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_group_steps_at_its_own_rate(name):
    slow, fast = torch.nn.Parameter(torch.ones(4, 4)), torch.nn.Parameter(torch.ones(4, 4))
    groups = [{"params": [slow], "lr": 1e-4, "weight_decay": 0.0}, {"params": [fast], "lr": 1e-2, "weight_decay": 0.0}]
    optimizer = build_optimizer(groups, TrainingConfig(optimizer=name))
    slow.grad = fast.grad = torch.full((4, 4), 0.1)
    optimizer.step()
    ratio = (1 - fast.detach()).mean() / (1 - slow.detach()).mean()
    assert math.isclose(ratio.item(), 100, rel_tol=1e-2)

import pytest
import torch

from train_fn.monitoring import copied, histogram, learning_rates, summary, update_ratios


@pytest.fixture
def optimizer():
    torch.manual_seed(0)
    low, high, bias = (torch.nn.Parameter(torch.randn(shape)) for shape in ((4, 3), (3, 3), (3,)))
    return torch.optim.SGD(
        [
            {"params": [low], "depths": [0], "places": ["depth_00"], "lr": 0.01, "peak_lr": 0.02},
            {"params": [high], "depths": [1], "places": ["depth_01"], "lr": 0.1, "peak_lr": 0.2},
            {"params": [bias], "depths": [1], "places": ["depth_01"], "lr": 0.1, "peak_lr": 0.2},
        ],
        lr=0.1,
    )


def test_a_step_is_measured_against_the_weights_of_its_depth(optimizer):
    before = copied(optimizer)
    low, high, bias = (group["params"][0] for group in optimizer.param_groups)
    weights = [parameter.detach().clone() for parameter in (low, high, bias)]
    for parameter in (low, high, bias):
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    both = torch.cat([weights[1].flatten(), weights[2]]).norm()
    assert update_ratios(before, optimizer) == pytest.approx(
        {
            "update_ratio/depth_00": 0.01 * 12**0.5 / weights[0].norm().item(),
            "update_ratio/depth_01": 0.1 * 12**0.5 / both.item(),
        },
        rel=1e-5,
    )


def test_rates_are_told_by_depth_where_they_differ(optimizer):
    assert learning_rates(optimizer, 0.1) == {"learning_rate/depth_00": 0.01, "learning_rate/depth_01": 0.1}
    for group in optimizer.param_groups:
        group["lr"] = 0.1
    assert learning_rates(optimizer, 0.1) == {}
    assert learning_rates(optimizer, 0.01) == {"learning_rate/depth_00": 0.1, "learning_rate/depth_01": 0.1}


def test_a_model_is_summed_up():
    model = torch.nn.Sequential(torch.nn.Linear(10, 5), torch.nn.Linear(5, 2))
    model[0].weight.requires_grad = False
    assert summary(model) == {"parameters": 67, "trainable_parameters": 17, "mb": 67 * 4 / 1e6}


def test_a_histogram_counts_every_finite_value_once():
    values = torch.cat([torch.linspace(-1, 3, 100), torch.tensor([float("nan"), float("inf")])])
    found = histogram(values)
    assert (found["low"], found["high"], sum(found["counts"])) == (-1, 3, 100)
    assert histogram(torch.full((7,), 0.5)) == {"low": 0.5, "high": 0.5, "counts": [7]}
    assert histogram(torch.tensor([float("nan")]))["counts"] == []

import pytest
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from train_fn.averaging import WARMUP, holding, update_ema, update_swa


def walk(steps=40):
    torch.manual_seed(0)
    weights = [torch.randn(3, 4), torch.randn(5)]
    for _ in range(steps):
        weights = [tensor + 0.1 * torch.randn_like(tensor) for tensor in weights]
        yield weights


def test_ema_after_its_warm_up_is_torch_s():
    model = torch.nn.Linear(4, 3)
    reference, average = None, None
    for step, (matrix, vector) in enumerate(walk(), start=10_000):
        with torch.no_grad():
            model.weight.copy_(matrix), model.bias.copy_(vector[:3])
        if reference is None:
            reference = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
            average = [parameter.detach().clone() for parameter in model.parameters()]
        else:
            update_ema(average, list(model.parameters()), 0.9, step)
        reference.update_parameters(model)
    for ours, theirs in zip(average, reference.module.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)


def test_a_young_ema_follows_by_the_rule_of_its_age():
    average = [torch.zeros(1)]
    update_ema(average, [torch.ones(1)], 0.999, 0)
    assert average[0].item() == pytest.approx(1 - 1 / WARMUP)


def test_swa_is_the_mean():
    seen = list(walk())
    average = [tensor.clone() for tensor in seen[0]]
    for count, weights in enumerate(seen[1:], start=1):
        update_swa(average, weights, count)
    for index, mean in enumerate(average):
        torch.testing.assert_close(mean, torch.stack([weights[index] for weights in seen]).mean(dim=0))


def test_a_model_holds_the_average_inside_and_its_own_weights_after():
    model = torch.nn.Linear(2, 2)
    own = [parameter.detach().clone() for parameter in model.parameters()]
    average = [torch.zeros(2, 2), torch.zeros(2)]
    with pytest.raises(KeyboardInterrupt), holding(list(model.parameters()), average):
        assert not model(torch.ones(1, 2)).any()
        raise KeyboardInterrupt
    for parameter, before in zip(model.parameters(), own, strict=True):
        assert torch.equal(parameter, before)
    assert not any(tensor.any() for tensor in average)

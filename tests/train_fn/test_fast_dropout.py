import pytest
import torch
from torch import nn

from train_fn.fast_dropout import LANES, FastDropout, kept, make_dropout_fast


@pytest.mark.parametrize("p", [0.01, 0.1, 0.5, 0.9])
def test_units_are_dropped_at_the_rate_and_the_mean_is_kept(p):
    torch.manual_seed(0)
    factors = kept(torch.empty(1_000_000), p)
    share = (factors == 0).double().mean().item()
    assert share == pytest.approx(p, abs=4 * (p * (1 - p) / 1e6) ** 0.5 + 1 / LANES)
    assert factors.mean().item() == pytest.approx(1, abs=5e-3 / (1 - p))
    assert len(factors.unique()) == 2


def test_neighbours_are_dropped_independently():
    """Four units share one drawn number."""
    torch.manual_seed(0)
    dropped = (kept(torch.empty(1_000_000), 0.5) == 0).double().reshape(-1, 4)
    assert torch.corrcoef(dropped.T).fill_diagonal_(0).abs().max() < 0.01


@pytest.mark.parametrize("shape", [(1,), (3, 5), (2, 7, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_shape_and_type_stay(shape, dtype):
    inputs = torch.ones(shape, dtype=dtype)
    outputs = FastDropout(0.5).train()(inputs)
    assert outputs.shape == shape and outputs.dtype == dtype


def test_the_same_stream_drops_the_same_units():
    inputs = torch.ones(100)
    torch.manual_seed(3)
    first = FastDropout(0.3)(inputs)
    torch.manual_seed(3)
    assert torch.equal(FastDropout(0.3)(inputs), first)


def test_what_was_dropped_learns_nothing():
    inputs = torch.ones(1_000, requires_grad=True)
    outputs = FastDropout(0.3)(inputs)
    outputs.sum().backward()
    assert torch.equal(inputs.grad, outputs.detach())


@pytest.mark.parametrize("module", [FastDropout(0.5).eval(), FastDropout(0.0)])
def test_in_evaluation_and_at_rate_zero_nothing_happens(module):
    inputs = torch.ones(10)
    assert module(inputs) is inputs


def test_every_dropout_of_a_model_is_replaced_and_keeps_its_rate():
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.25), nn.ModuleDict({"inner": nn.Dropout(0.5)}))
    make_dropout_fast(model)
    assert [module.p for module in model.modules() if isinstance(module, FastDropout)] == [0.25, 0.5]
    assert not any(isinstance(module, nn.Dropout) for module in model.modules())

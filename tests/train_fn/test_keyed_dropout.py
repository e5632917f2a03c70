"""Masks that follow from a key."""

import math

import pytest
import torch

from train_fn.fused.dropout import KeyedDropout, keys


def with_key(rate: float, step: int, dropout: int = 0, seed: int = 7, part: int = 0) -> KeyedDropout:
    module = KeyedDropout(rate)
    module.key = keys(torch.tensor([seed]), torch.tensor([step]), part, dropout + 1)[dropout, 0]
    return module


def test_keyed_dropout_drops_its_share_and_keeps_the_mean() -> None:
    ones = torch.ones(200, 500)
    for step in range(2):
        kept = with_key(0.3, step)(ones)
        share = (kept == 0).float().mean().item()
        assert abs(share - 0.3) < 4 * math.sqrt(0.3 * 0.7 / ones.numel())
        assert kept.mean().item() == pytest.approx(1.0, abs=0.01)
    assert torch.equal(with_key(0.3, 0).eval()(ones), ones)
    assert torch.equal(with_key(0.0, 0)(ones), ones)


@pytest.mark.parametrize(
    "other", [{"step": 1}, {"dropout": 1}, {"seed": 8}, {"part": 1}], ids=["step", "dropout", "seed", "part"]
)
def test_steps_dropouts_seeds_and_parts_drop_independently(other: dict[str, int]) -> None:
    ones = torch.ones(200, 500)
    one, two = (with_key(0.3, **({"step": 0} | where))(ones) == 0 for where in ({}, other))
    assert abs((one & two).float().mean().item() - 0.09) < 0.005


@pytest.mark.parametrize("shape", [(200, 500), (20, 50, 100), (5, 4, 50, 100)])
def test_neighbours_along_any_dimension_drop_independently(shape: tuple[int, ...]) -> None:
    dropped = (with_key(0.3, 0)(torch.ones(shape)) == 0).float()
    for dimension, size in enumerate(shape):
        first, second = (dropped.narrow(dimension, start, size - 1).flatten() for start in (0, 1))
        assert abs(torch.corrcoef(torch.stack([first, second]))[0, 1]) < 0.025


def test_padding_moves_no_unit() -> None:
    narrow, wide = (with_key(0.3, 0)(torch.ones(shape)) for shape in [(8, 10, 16), (12, 14, 16)])
    assert torch.equal(wide[:8, :10], narrow)


def test_half_precision_stays_half_precision() -> None:
    assert with_key(0.3, 0)(torch.ones(4, 4, dtype=torch.bfloat16)).dtype == torch.bfloat16

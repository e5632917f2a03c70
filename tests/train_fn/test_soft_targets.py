"""Targets that are shares of several classes, as mixed images have."""

from functools import partial
from types import SimpleNamespace

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from train_fn.class_weights import class_weights
from train_fn.config import TrainingConfig
from train_fn.criterion import criterion
from train_fn.losses.classification import cross_entropy, focal

LOSSES = {
    "cross_entropy": partial(cross_entropy, label_smoothing=0.0),
    "smoothed cross_entropy": partial(cross_entropy, label_smoothing=0.1),
    "focal": partial(focal, gamma=2.0, label_smoothing=0.0),
    "smoothed focal": partial(focal, gamma=0.5, label_smoothing=0.1),
}
CLASS_IDS = torch.tensor([0, 0, 0, 0, 1, 1, 2])
SOFT = torch.tensor([[0.3, 0.7, 0.0], [1.0, 0.0, 0.0], [0.0, 0.25, 0.75]])


def logits(rows=7, seed=0):
    return 3 * torch.randn(rows, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", LOSSES)
def test_a_whole_share_is_the_class_itself(name):
    whole = functional.one_hot(CLASS_IDS, 3).float()
    torch.testing.assert_close(LOSSES[name](logits(), whole), LOSSES[name](logits(), CLASS_IDS))


@settings(deadline=None, max_examples=30)
@given(st.floats(0, 1), st.integers(0, 2**31), st.sampled_from(sorted(LOSSES)))
def test_the_loss_of_a_mixture_is_the_mixture_of_the_losses(share, seed, name):
    first, second = torch.randint(3, (2, 7), generator=torch.Generator().manual_seed(seed))
    soft = share * functional.one_hot(first, 3).double() + (1 - share) * functional.one_hot(second, 3).double()
    loss = partial(LOSSES[name], logits(seed=seed))
    torch.testing.assert_close(loss(soft), share * loss(first) + (1 - share) * loss(second))


@pytest.mark.parametrize("name", LOSSES)
def test_half_precision_outputs_give_a_full_precision_loss(name):
    losses = LOSSES[name](logits(3).to(torch.bfloat16), SOFT)
    assert losses.dtype == torch.float32
    torch.testing.assert_close(losses, LOSSES[name](logits(3).to(torch.bfloat16).float(), SOFT))


@pytest.mark.parametrize("weights", ["none", "balanced", "effective_number"])
def test_a_mixed_row_weighs_what_its_shares_weigh(weights):
    rows = SimpleNamespace(targets=CLASS_IDS, lengths=numpy.ones(7, dtype=numpy.int64), groups=None)
    found = criterion(TrainingConfig(class_weights=weights), "classification", rows, 3)
    counts = numpy.array([4, 2, 1])
    of_class = class_weights(weights, counts, 0.999)
    of_class = torch.from_numpy(of_class * 7 / (counts @ of_class))  # 1 on average over the rows
    losses = cross_entropy(logits(3), SOFT, label_smoothing=0.0)
    expected = sum(SOFT[row].double() @ of_class * losses[row] for row in range(3))
    loss = found.loss(logits(3).float(), SOFT, torch.tensor([4, 5, 6]), torch.zeros(3, dtype=torch.long))
    torch.testing.assert_close(loss, expected.float())

import math

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train_fn.divergence import SMOOTHING, LossTrend, divergence


def spikes(losses, factor=3.0):
    """The first step at which the loss counts as far above its best; None if it never does."""
    trend = LossTrend()
    for step, loss in enumerate(losses, start=1):
        trend = trend.after(loss)
        if trend.spiked(factor):
            return step
    return None


def healthy(seed, steps=3_000, classes=77, noise=0.5):
    """From log(classes) down to a small loss, with batch noise that is multiplicative and heavy to the right."""
    random = numpy.random.default_rng(seed)
    mean = 0.02 + math.log(classes) * numpy.exp(-numpy.arange(steps) / (steps / 8))
    return mean * random.lognormal(-(noise**2) / 2, noise, size=steps)


@pytest.mark.parametrize("noise", [0.2, 0.5, 1.0])
@pytest.mark.parametrize("classes", [2, 77])
def test_healthy_noise_is_no_divergence(classes, noise):
    assert not any(spikes(healthy(seed, classes=classes, noise=noise)) for seed in range(50))


@pytest.mark.parametrize("classes", [2, 77])
def test_a_model_that_falls_back_to_guessing_is_caught_soon(classes):
    for seed in range(20):
        losses = healthy(seed, classes=classes)
        losses[2_000:] = math.log(classes) * numpy.random.default_rng(seed).lognormal(0, 0.1, size=1_000)
        step = spikes(losses)
        assert step is not None and 2_000 < step < 2_000 + 3 * SMOOTHING


def test_one_hard_batch_is_no_spike():
    losses = healthy(0)
    losses[2_500] = 20.0
    assert spikes(losses) is None


def test_the_smoothed_loss_is_unbiased_from_the_start():
    trend = LossTrend()
    for _ in range(7):
        trend = trend.after(2.5)
    assert trend.smoothed == pytest.approx(2.5)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1e3), min_size=SMOOTHING, max_size=3 * SMOOTHING))
def test_the_best_never_rises(losses):
    trend, best = LossTrend(), math.inf
    for loss in losses:
        trend = trend.after(loss)
        if trend.best is not None:
            assert trend.best <= best
            best = trend.best


def test_what_is_not_finite_is_named():
    assert divergence(math.nan, 1.0, False, LossTrend(), 3.0) == "training loss is nan"
    assert divergence(1.0, math.inf, False, LossTrend(), 3.0) == "gradient norm is inf"
    assert not divergence(1.0, math.inf, True, LossTrend(), 3.0)
    assert not divergence(1.0, 1.0, False, LossTrend(), 3.0)


def test_a_factor_of_none_lets_a_finite_loss_go_anywhere():
    trend = LossTrend(steps=SMOOTHING, sum=1e6, first=1.0, best=0.1)
    assert divergence(1e6, 1.0, False, trend, 3.0).startswith("training loss is ")
    assert not divergence(1e6, 1.0, False, trend, None)

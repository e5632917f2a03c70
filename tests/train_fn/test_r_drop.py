import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import entropy

from train_fn.r_drop import divergence


def passes(seed=0, rows=6, outputs=4):
    return (
        3 * torch.randn(2, rows, outputs, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    ).unbind()


def test_classes_diverge_by_the_mean_of_both_kullback_leibler_divergences():
    one, two = passes()
    p, q = softmax(one.numpy(), axis=1), softmax(two.numpy(), axis=1)
    expected = (entropy(p, q, axis=1) + entropy(q, p, axis=1)) / 2
    assert divergence(one, two, "classification").numpy() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("shape", [(6, 1), (6,)])
def test_numbers_diverge_by_the_square_of_their_difference(shape):
    one, two = (outputs.reshape(shape) for outputs in passes(outputs=1))
    expected = [(a - b) ** 2 for a, b in zip(one.flatten().tolist(), two.flatten().tolist(), strict=True)]
    assert divergence(one, two, "regression").tolist() == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(2, 8))
def test_neither_pass_comes_first_and_only_equal_ones_agree(seed, rows, classes):
    one, two = passes(seed, rows, classes)
    apart = divergence(one, two, "classification")
    assert (apart > 0).all()
    torch.testing.assert_close(apart, divergence(two, one, "classification"))
    torch.testing.assert_close(apart, divergence(one + 5, two, "classification"))  # the same odds
    assert not divergence(one, one.clone(), "classification").any()


@pytest.mark.parametrize(("task", "outputs"), [("classification", 4), ("regression", 1)])
def test_both_passes_learn(task, outputs):
    one, two = passes(outputs=outputs)
    inputs = (one.requires_grad_(), two.requires_grad_())
    assert torch.autograd.gradcheck(lambda one, two: divergence(one, two, task), inputs)
    assert all(slope.any() for slope in torch.autograd.grad(divergence(one, two, task).sum(), inputs))


@pytest.mark.parametrize(("task", "outputs"), [("classification", 4), ("regression", 1)])
def test_half_precision_outputs_diverge_in_full_precision(task, outputs):
    one, two = (values.bfloat16() for values in passes(outputs=outputs))
    found = divergence(one, two, task)
    assert found.dtype == torch.float32 and found.shape == (6,)
    expected = divergence(one.double(), two.double(), task)
    assert found.numpy() == pytest.approx(numpy.asarray(expected), rel=1e-5)

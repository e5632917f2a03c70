from typing import get_args

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.utils.class_weight import compute_class_weight

from train_fn.class_weights import WEIGHTS, class_weights
from train_fn.config import ClassWeights

COUNTS = numpy.array([1, 40, 7, 4320])
counts = arrays(int, st.integers(2, 20), elements=st.integers(1, 10**6))
betas = st.floats(0.001, 0.9999)


def test_every_name_has_weights():
    assert set(WEIGHTS) == set(get_args(ClassWeights))


@given(counts, betas)
def test_none_weighs_every_row_alike(counts, beta):
    assert class_weights("none", counts, beta).tolist() == [1.0] * len(counts)


def test_balanced_is_scikit_learn_s():
    rows = numpy.repeat(numpy.arange(4), COUNTS)
    expected = compute_class_weight("balanced", classes=numpy.arange(4), y=rows)
    assert class_weights("balanced", COUNTS, 0.9) == pytest.approx(expected, rel=1e-12)


@given(counts, betas)
def test_balanced_gives_every_class_the_same_weight_and_every_row_a_mean_of_1(counts, beta):
    totals = class_weights("balanced", counts, beta) * counts
    assert totals == pytest.approx(numpy.full(len(counts), counts.sum() / len(counts)))


@pytest.mark.parametrize("beta", [0.5, 0.999])
def test_effective_number_is_the_formula_of_the_paper(beta):
    weights = [(1 - beta) / (1 - beta**count) for count in COUNTS.tolist()]
    expected = [4 * weight / sum(weights) for weight in weights]
    assert class_weights("effective_number", COUNTS, beta).tolist() == pytest.approx(expected, abs=1e-12)


@given(counts, betas)
def test_effective_numbers_weigh_as_much_as_there_are_classes(counts, beta):
    assert class_weights("effective_number", counts, beta).sum() == pytest.approx(len(counts))


def test_effective_number_goes_from_none_to_balanced():
    equal, balanced = numpy.ones(4), class_weights("balanced", COUNTS, 0.9)
    assert class_weights("effective_number", COUNTS, 1e-9) == pytest.approx(equal, abs=1e-6)
    assert class_weights("effective_number", COUNTS, 1 - 1e-9) == pytest.approx(balanced * 4 / balanced.sum(), abs=1e-4)


@pytest.mark.parametrize("name", WEIGHTS)
@given(counts=counts, beta=betas)
def test_a_row_of_a_rarer_class_never_weighs_less(name, counts, beta):
    weights = class_weights(name, counts, beta)
    assert numpy.isfinite(weights).all() and (weights > 0).all()
    assert (numpy.diff(weights[counts.argsort()]) <= 1e-12).all()

import pytest

from train_fn.patience import Patience


def waited(values, **settings):
    patience = Patience()
    for step, value in enumerate(values, start=1):
        patience = patience.after(value, step, **settings)
    return patience


def test_evaluations_without_gain_are_counted_since_the_best():
    assert waited([3.0, 2.0, 2.5, 2.1], higher_is_better=False) == Patience(best=2.0, best_step=2, evaluations=2)


def test_a_score_gains_by_rising():
    assert waited([0.5, 0.7, 0.6], higher_is_better=True) == Patience(best=0.7, best_step=2, evaluations=1)


def test_standing_still_is_no_gain():
    assert waited([1.0, 1.0, 1.0], higher_is_better=True).evaluations == 2


@pytest.mark.parametrize(("value", "evaluations"), [(0.9, 0), (0.91, 1)])
def test_a_gain_below_the_minimum_counts_as_none(value, evaluations):
    assert waited([1.0, value], higher_is_better=False, min_gain=0.1 - 1e-9).evaluations == evaluations


@pytest.mark.parametrize("best", [0.0, 0.1, 0.3, 0.6, 0.8])
def test_a_gain_of_exactly_the_minimum_counts_however_it_is_rounded(best):
    assert waited([best, best + 0.1], higher_is_better=True, min_gain=0.1).evaluations == 0
    assert waited([best + 0.1, best], higher_is_better=False, min_gain=0.1).evaluations == 0


def test_small_gains_add_up_to_one():
    """They are measured from the last gain that counted, so slow progress is not mistaken for none."""
    assert waited([1.0, 0.95, 0.9, 0.85], higher_is_better=False, min_gain=0.14).best_step == 4

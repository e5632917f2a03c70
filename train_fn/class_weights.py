"""How much a row counts in the loss, by its class, where some classes are rare."""

from collections.abc import Callable, Mapping

import numpy

from train_fn.config import ClassWeights


def class_weights(name: ClassWeights, counts: numpy.ndarray, beta: float) -> numpy.ndarray:
    """A weight for each class from its number of training rows."""
    return WEIGHTS[name](counts.astype(float), beta)


def equal(counts: numpy.ndarray, beta: float) -> numpy.ndarray:
    return numpy.ones(len(counts))


def balanced(counts: numpy.ndarray, beta: float) -> numpy.ndarray:
    """Every class counts the same in all (King & Zeng 2001, Political Analysis 9), as in scikit-learn."""
    return counts.sum() / (len(counts) * counts)


def effective_number(counts: numpy.ndarray, beta: float) -> numpy.ndarray:
    """Cui et al. 2019 (arXiv:1901.05555): further rows of a class tell less and less; weights add up to the classes."""
    weights = (1 - beta) / (1 - beta**counts)
    return weights * len(counts) / weights.sum()


WEIGHTS: Mapping[ClassWeights, Callable[[numpy.ndarray, float], numpy.ndarray]] = {
    "none": equal,
    "balanced": balanced,
    "effective_number": effective_number,
}

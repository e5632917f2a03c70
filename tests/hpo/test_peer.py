"""The baseline that a promoted model stands beside is called what it is."""

from typing import Any

import numpy
import pytest

from hpo.registry import peer
from train_fn import image_baseline, linear_baseline
from train_fn.column_baseline import linear_models

GRIDS: dict[str, Any] = {
    **{name: new(C=1.0) for name, new in {**image_baseline.CLASSIFIERS, **linear_baseline.CLASSIFIERS}.items()},
    **{setting["model"]: model for classes in (True, False) for setting, model in linear_models(classes)},
}


@pytest.mark.parametrize("name", GRIDS)
def test_linear_is_said_of_what_has_one_weight_for_each_feature(name: str) -> None:
    features = numpy.random.default_rng(0).normal(size=(40, 3))
    fitted = GRIDS[name].fit(features, (features[:, 0] > 0).astype(int))
    assert (peer.in_words({"classifier": name}) == peer.LINEAR) == hasattr(fitted, "coef_")
    assert peer.in_words({"model": name}) == peer.in_words({"classifier": name})


def test_a_baseline_of_a_trainable_of_one_s_own_is_called_no_more_than_that() -> None:
    assert peer.in_words({}) == "the baseline of the trainable"


def test_the_better_one_is_found_whichever_way_the_metric_goes() -> None:
    assert peer.is_better({"f1": 0.9}, {"f1": 0.8}, "f1", sign=1)
    assert not peer.is_better({"rmse": 0.9}, {"rmse": 0.8}, "rmse", sign=-1)
    assert not peer.is_better({"f1": 0.9}, {"f1": 0.9}, "f1", sign=1), "equal is not better"
    assert not peer.is_better({}, {"f1": 0.8}, "f1", sign=1), "there is none"

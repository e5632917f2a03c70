"""Cross-validation inside one trial."""

import dataclasses
import statistics
from functools import partial

import pytest

from train_fn.config import TextConfig
from train_fn.folds import together
from train_fn.report import Report
from train_fn.text import epochs, train
from train_fn.token_cache import tokenized_splits

MEASURED = ("time/", "speed/", "memory/")


@pytest.fixture
def folds(toy):
    def config(number=3, **settings):
        alone = toy(**settings)
        return dataclasses.replace(alone, data=dataclasses.replace(alone.data, folds=number))

    return config


def lasting(report):
    return {name: value for name, value in report.metrics.items() if not name.startswith(MEASURED)}


def test_every_row_validates_once_and_trains_in_the_other_folds(folds):
    config = folds(4)
    splits = [tokenized_splits(config.data, "tiny", 128, fold) for fold in range(4)]
    starts = [set(split.valid.starts.tolist()) for split in splits]
    everything = set.union(*starts)
    assert sum(map(len, starts)) == len(everything) == 98 + 21  # train and valid; the test split stays sealed
    for split, valid in zip(splits, starts, strict=True):
        assert set(split.train.starts.tolist()) == everything - valid


def test_a_report_is_the_mean_over_the_folds_with_its_spread(folds):
    from train_fn.loop import fine_tune
    from train_fn.setup import material_of

    config = folds(3, max_epochs=1)
    [report] = train(config)
    alone = [list(fine_tune(config, None, partial(material_of, fold=fold)))[-1] for fold in range(3)]
    for name in ("accuracy", "loss", "train_loss"):
        assert report.metrics[name] == statistics.fmean(one.metrics[name] for one in alone)
    assert report.metrics["spread/accuracy"] == statistics.stdev(one.metrics["accuracy"] for one in alone)
    assert "spread/train_loss" not in report.metrics


def test_a_resumed_cross_validation_ends_as_one_that_was_not_stopped(folds, tmp_path):
    config = folds(2, max_epochs=3, early_stopping_patience=1, learning_rate=1e-2)
    whole = []
    for number, report in enumerate(epochs(config)):
        whole.append(lasting(report))
        (tmp_path / str(number)).mkdir()
        report.save(tmp_path / str(number))
    for number in range(len(whole) - 1):
        assert [lasting(report) for report in epochs(config, tmp_path / str(number))] == whole[number + 1 :]


def test_a_fold_that_diverges_ends_the_trial(folds):
    fine = Report(epoch=1, metrics={"loss": 1.0})
    lost = Report(epoch=1, metrics={}, diverged="training loss is nan at step 3")
    assert together([fine, lost], "classification").diverged == "training loss is nan at step 3 in fold 1"


def test_folds_in_several_processes_are_refused(folds):
    config = folds(2)
    with pytest.raises(ValueError, match="`num_processes` must be 1 beside data.folds: 2, got 2; try 1"):
        TextConfig(data=config.data, num_processes=2)

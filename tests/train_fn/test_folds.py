"""Cross-validation inside one trial."""

import dataclasses
import json
import shutil
import statistics
from functools import partial

import numpy
import pytest

from train_fn import data
from train_fn.config import TextConfig
from train_fn.folds import together
from train_fn.loop import fine_tune
from train_fn.report import Report
from train_fn.setup import material_of
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
    config = folds(3, max_epochs=1)
    [report] = train(config)
    alone = [list(fine_tune(config, None, partial(material_of, fold=fold)))[-1] for fold in range(3)]
    for name in ("accuracy", "loss", "train_loss"):
        assert report.metrics[name] == statistics.fmean(one.metrics[name] for one in alone)
    assert report.metrics["spread/accuracy"] == statistics.stdev(one.metrics["accuracy"] for one in alone)
    assert "spread/train_loss" not in report.metrics


def told(report):
    return {
        name: report.details[name] for name in ("classes", "confusion", "calibration", "wrong", "predictions", "folds")
    }


def test_a_resumed_cross_validation_ends_as_one_that_was_not_stopped(folds, tmp_path):
    config = folds(2, max_epochs=6, early_stopping_patience=1, learning_rate=1e-2)
    whole, told_of_first = [], []
    for number, report in enumerate(epochs(config)):
        whole.append((lasting(report), told(report)))
        told_of_first.append(report.details["fold_0"]["calibration"])
        (tmp_path / str(number)).mkdir()
        report.save(tmp_path / str(number))
    assert told_of_first[-1] == told_of_first[-2] and whole[-1] != whole[-2]  # one fold has waited for the other
    for number in range(len(whole) - 1):
        assert [(lasting(report), told(report)) for report in epochs(config, tmp_path / str(number))] == whole[
            number + 1 :
        ]


def test_a_fold_that_waits_can_be_saved_after_the_checkpoint_it_came_from_is_gone(folds, tmp_path):
    config = folds(2, max_epochs=6, early_stopping_patience=1, learning_rate=1e-2)
    saved = []
    for number, report in enumerate(epochs(config)):
        saved.append(tmp_path / str(number))
        saved[-1].mkdir()
        report.save(saved[-1])
    begun, last = saved[-2], tmp_path / "again"
    last.mkdir()
    for report in epochs(config, begun):
        shutil.rmtree(begun, ignore_errors=True)
        report.save(last)
    for fold in ("fold-0", "fold-1"):
        for file in ("model/model.safetensors", "training.safetensors"):
            assert (last / fold / file).read_bytes() == (saved[-1] / fold / file).read_bytes()


def test_each_row_is_answered_by_the_model_that_has_not_seen_it(folds):
    """What is told of all rows is what the models say that are trained without each."""
    config = folds(3, max_epochs=2)
    *_, report = train(config)
    prepared = data.prepare(config.data)
    examples, of_row = data.load_all(config.data)["train"], data.fold_of_rows(config.data)
    answers = report.details["predictions"]
    assert answers["row"] == [*range(98 + 21)]  # train and valid; the test split stays sealed
    assert answers["truth"] == [prepared.labels[target] for target in examples.targets]
    for fold in range(3):
        *_, alone = fine_tune(config, None, partial(material_of, fold=fold))
        rows = numpy.flatnonzero(of_row == fold)
        assert [answers["said"][row] for row in rows] == alone.details["predictions"]["said"]
        assert report.details["folds"][fold]["rows"] == len(rows)
    assert report.details["wrong"]
    for one in report.details["wrong"]:
        assert one["text"] == examples.texts[one["row"]]
        assert one["truth"] == prepared.labels[examples.targets[one["row"]]] != one["said"]
    assert numpy.sum(report.details["confusion"]) == 98 + 21


def test_no_checkpoint_of_a_fold_holds_rows(folds, tmp_path):
    [report] = train(folds(2, max_epochs=1))
    report.save(tmp_path)
    kept = [json.loads((tmp_path / f"fold-{fold}" / "evaluation.json").read_text()) for fold in range(2)]
    assert all("calibration" in one and not {"wrong", "predictions"} & one.keys() for one in kept)


def test_a_fold_that_diverges_ends_the_trial(folds):
    fine = Report(epoch=1, metrics={"loss": 1.0})
    lost = Report(epoch=1, metrics={}, diverged="training loss is nan at step 3")
    assert together([fine, lost], "classification", []).diverged == "training loss is nan at step 3 in fold 1"


def test_folds_in_several_processes_are_refused(folds):
    config = folds(2)
    with pytest.raises(ValueError, match="`num_processes` must be 1 beside data.folds: 2, got 2; try 1"):
        TextConfig(data=config.data, num_processes=2)

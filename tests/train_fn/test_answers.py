"""What single answers tell: bins of confidence, the surest mistakes, and the rows themselves in words."""

import json

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from train_fn.checkpoint import commit
from train_fn.data import load
from train_fn.metrics.answers import MOST_TOLD, MOST_WRONG, calibration, calibration_error, spread, told_classes
from train_fn.shown_rows import LONGEST, shortened
from train_fn.text import epochs

LABELS = ("no", "yes")


@given(st.lists(st.tuples(st.booleans(), st.floats(0.5, 1.0)), min_size=1, max_size=60))
def test_the_bins_hold_every_row_and_their_gaps_are_the_calibration_error(answers):
    right, confidence = (numpy.array(column) for column in zip(*answers, strict=True))
    bins = calibration(right, confidence)
    assert sum(one["rows"] for one in bins) == len(answers)
    assert sum(one["rows"] * one["accuracy"] for one in bins) == pytest.approx(right.sum())
    assert sum(one["rows"] * one["confidence"] for one in bins) == pytest.approx(confidence.sum())
    gaps = sum(one["rows"] / len(answers) * abs(one["accuracy"] - one["confidence"]) for one in bins)
    assert calibration_error(right, confidence) == pytest.approx(gaps)


def test_the_surest_mistakes_come_first_and_are_few():
    yes = numpy.linspace(0.51, 1.0, 200)
    told = told_classes(numpy.zeros(200, dtype=int), numpy.stack([1 - yes, yes], axis=1), LABELS)
    assert len(told["wrong"]) == MOST_WRONG
    assert told["wrong"][0] == {"row": 199, "truth": "no", "said": "yes", "confidence": 1.0}
    assert told["predictions"]["row"] == [*range(200)] and {*told["predictions"]["said"]} == {"yes"}
    json.dumps(told)


def test_of_many_rows_an_even_choice_is_told():
    rows = spread(1_000_000, MOST_TOLD)
    assert len(rows) == MOST_TOLD and rows[0] == 0 and rows[-1] == 999_999
    assert max(numpy.diff(rows)) <= 101
    assert spread(0, MOST_TOLD) == []


def test_a_row_is_cut_and_columns_have_names():
    assert shortened({"text": "x" * 1000}) == "x" * (LONGEST - 1) + "…"
    assert shortened({"text": "one", "pair": "two"}) == "text: one | pair: two"
    assert shortened({"age": 3.5, "gone": None}) == "age: 3.5"


def test_a_wrong_row_is_told_with_its_own_text_and_no_checkpoint_holds_it(toy, tmp_path):
    config = toy(max_epochs=1, learning_rate=1e-6)
    [report] = epochs(config)
    valid = load(config.data).valid
    assert report.details["wrong"]
    for one in report.details["wrong"]:
        assert one["text"] == valid.texts[one["row"]][:LONGEST]
        assert one["truth"] == load(config.data).labels[valid.targets[one["row"]]] != one["said"]
    right = [a == b for a, b in zip(*(report.details["predictions"][name] for name in ("truth", "said")), strict=True)]
    assert numpy.mean(right) == pytest.approx(report.metrics["accuracy"])
    commit(tmp_path / "epoch-1", report.save)
    kept = json.loads((tmp_path / "epoch-1" / "evaluation.json").read_text())
    assert kept["calibration"] == report.details["calibration"] and not {"wrong", "predictions"} & kept.keys()

"""Learning from rows without labels."""

import dataclasses

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from train_fn import data
from train_fn.checkpoint import commit
from train_fn.config import PseudoLabelConfig
from train_fn.pseudo_labels import epochs, train
from train_fn.pseudo_rounds import material_with
from train_fn.pseudo_selection import NO_LABEL, precision_of_confident, select

SURE = {"confidence": 0.8, "class_cap": 10.0}


def answers(seed, rows=60, classes=4):
    logits = 3 * numpy.random.default_rng(seed).normal(size=(rows, classes))
    return numpy.exp(logits) / numpy.exp(logits).sum(axis=1, keepdims=True)


@given(st.integers(0, 2**32 - 1), st.floats(0.3, 0.99), st.floats(0.1, 5))
@settings(deadline=None)
def test_only_confident_rows_get_their_most_likely_class_and_no_class_takes_over(seed, confidence, cap):
    said, labelled = answers(seed), numpy.array([1, 2, 5, 30])
    chosen = select(said, labelled, confidence=confidence, class_cap=cap)
    taken = chosen != NO_LABEL
    assert (said.max(axis=1)[taken] >= confidence).all()
    assert (chosen[taken] == said.argmax(axis=1)[taken]).all()
    for class_id in range(4):
        mine = (said.argmax(axis=1) == class_id) & (said.max(axis=1) >= confidence)
        limit = int(cap * labelled[class_id])
        assert (chosen == class_id).sum() == min(mine.sum(), limit)
        left = mine & ~taken
        if left.any() and (chosen == class_id).any():  # the most confident went first
            assert said.max(axis=1)[left].max() <= said.max(axis=1)[chosen == class_id].min()


def test_a_class_without_labelled_rows_gains_none():
    said = numpy.array([[0.05, 0.95], [0.9, 0.1]])
    assert select(said, numpy.array([1, 0]), **SURE).tolist() == [NO_LABEL, 0]


def test_the_precision_of_confident_answers_leaves_the_others_out():
    said = numpy.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4]])
    assert precision_of_confident(said, numpy.array([0, 1, 1]), 0.8) == 0.5
    assert precision_of_confident(said, numpy.array([0, 1, 1]), 0.95) == 0.0


@pytest.fixture
def half_labelled(toy):
    def config(**changes):
        alone = toy(max_epochs=4, learning_rate=3e-3)
        half = dataclasses.replace(alone.data, labelled_fraction=0.5)
        plain = {field.name: getattr(alone, field.name) for field in dataclasses.fields(alone)}
        settings = {"data": half, "rounds": 2, "confidence": 0.4, "min_precision": 0.3, "gain_metric": "loss"}
        return PseudoLabelConfig(**{**plain, **settings, **changes})

    return config


def lasting(report):
    measured = ("time/", "speed/", "memory/")
    return report.epoch, {name: value for name, value in report.metrics.items() if not name.startswith(measured)}


def test_rounds_are_reported_one_by_one(half_labelled):
    reports = train(half_labelled())
    ends = [report for report in reports if "pseudo/rows" in report.metrics]
    assert [report.metrics["pseudo/round"] for report in ends] == list(range(len(ends)))
    assert [report.epoch for report in reports] == sorted(report.epoch for report in reports)
    found = ends[0].details["pseudo_labels"]
    assert sum(found["rows_by_class"].values()) == ends[0].metrics["pseudo/rows"] > 0
    assert ends[-1].details["pseudo_labels"]["stopped"] and ends[-1].metrics["pseudo/rows"] == 0
    assert all(report.details["pseudo_labels"]["stopped"] is None for report in ends[:-1])


def test_a_student_learns_from_more_rows_than_its_teacher(half_labelled):
    config = half_labelled()
    few = material_with(None)(config).train
    labels = numpy.full(len(few.lengths), NO_LABEL)
    labels[:7] = 1
    more = material_with(labels)(config).train
    assert len(more.lengths) == len(few.lengths) + 7
    assert more.targets[-7:].tolist() == [1] * 7
    texts = data.load_all(config.data)["unlabelled"].texts[:7]
    tokenizer = AutoTokenizer.from_pretrained(material_with(None)(config).processor.folder)
    inputs, _ = more.collate(numpy.arange(len(few.lengths), len(more.lengths)))
    assert tokenizer.batch_decode(inputs["input_ids"], skip_special_tokens=True) == texts


def test_a_weak_teacher_is_not_believed(half_labelled):
    *_, last = train(half_labelled(min_precision=1.0, learning_rate=1e-6))
    assert last.metrics["pseudo/round"] == 0 and last.metrics["pseudo/rows"] == 0
    assert "less than min_precision 100%" in last.details["pseudo_labels"]["stopped"]


def test_a_run_resumed_anywhere_ends_as_one_that_was_not_stopped(half_labelled, tmp_path):
    config = half_labelled()
    whole = []
    for number, report in enumerate(epochs(config)):
        whole.append(lasting(report))
        commit(tmp_path / str(number), report.save)
    assert len(whole) > 6
    for number in (1, 3, 4, 5, len(whole) - 1):  # within a round, at the end of its run, between two, at the end of all
        assert [lasting(report) for report in epochs(config, tmp_path / str(number))] == whole[number + 1 :]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"confidence": 1.2}, "`confidence` must be in"),
        ({"gain_metric": "r2"}, "`gain_metric` must be one of loss, accuracy"),
        ({"num_processes": 2}, "`num_processes` must be 1 for pseudo-labels"),
    ],
)
def test_settings_without_sense_are_refused(half_labelled, changes, message):
    with pytest.raises(ValueError, match=message):
        half_labelled(**changes)


def test_without_unlabelled_rows_there_is_nothing_to_do(toy):
    with pytest.raises(ValueError, match="`unlabelled` must name a file for pseudo-labels, got None"):
        PseudoLabelConfig(data=toy().data)

"""A run that is asked for it tells of each moment between two steps, and is otherwise the same."""

import pytest

from train_fn.report import BETWEEN_STEPS
from train_fn.text import epochs

WAYS = {"alone": {}, "two processes": {"num_processes": 2}}


def listened_to(run):
    """All that it says to somebody who always asks."""
    said, asked = [], None
    while True:
        try:
            said.append(run.send(asked))
        except StopIteration:
            return said
        asked = True


@pytest.mark.parametrize("settings", WAYS.values(), ids=WAYS)
def test_a_run_that_is_asked_tells_of_each_step_and_reports_the_same(toy, steady, settings):
    config = toy(max_epochs=3, batch_size=16, **settings)
    said = listened_to(epochs(config))
    first, second = (number for number, one in enumerate(said[:-1]) if one is not BETWEEN_STEPS)
    # before the first report nobody has asked; then one before each of the 7 steps of an epoch of 98 rows
    assert (first, second, len(said)) == (0, 8, 17)
    reports = [one for one in said if one is not BETWEEN_STEPS]
    assert [steady(report) for report in reports] == [steady(report) for report in epochs(config)]


def test_a_run_may_be_closed_between_two_steps(toy):
    run = epochs(toy(max_epochs=3))
    next(run)
    assert run.send(True) is BETWEEN_STEPS
    run.close()
    with pytest.raises(StopIteration):
        next(run)


def test_a_copy_is_lent_by_all_reports_that_steps_follow(toy):
    assert [report.snapshot is not None for report in epochs(toy(max_epochs=3))] == [True, True, False]

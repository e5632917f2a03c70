import math
from typing import get_args

import pytest
import torch
from transformers import get_linear_schedule_with_warmup

from train_fn.config import ScheduleName
from train_fn.schedules import SHAPES, schedule


def test_every_name_has_a_shape():
    assert set(SHAPES) == set(get_args(ScheduleName))


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_begins_at_one_and_stays_between_zero_and_one(name):
    assert SHAPES[name](0.0) == 1
    assert all(0 <= SHAPES[name](step / 1000) <= 1 for step in range(1001))


@pytest.mark.parametrize("name", ["linear", "cosine", "wsd"])
def test_a_decaying_shape_ends_at_zero(name):
    assert SHAPES[name](1.0) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("name", SHAPES)
def test_warm_up_rises_in_equal_steps_to_the_peak(name):
    factor = schedule(name, num_steps=100, warmup_ratio=0.09)
    assert [factor(step) for step in range(10)] == pytest.approx([(step + 1) / 10 for step in range(10)])


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("warmup_ratio", [0.0, 0.3, 1.0])
def test_no_step_is_taken_at_rate_zero(name, warmup_ratio):
    factor = schedule(name, num_steps=7, warmup_ratio=warmup_ratio)
    assert all(0 < factor(step) <= 1 for step in range(7))


def test_linear_is_the_schedule_of_transformers():
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    reference = get_linear_schedule_with_warmup(optimizer, num_warmup_steps=0, num_training_steps=20)
    factor = schedule("linear", num_steps=20, warmup_ratio=0.0)
    for step in range(20):
        assert factor(step) == pytest.approx(reference.get_last_lr()[0])
        optimizer.step()
        reference.step()


def test_cosine_is_half_way_down_in_the_middle():
    assert schedule("cosine", num_steps=100, warmup_ratio=0.0)(50) == pytest.approx(0.5)


def test_wsd_holds_the_peak_for_four_fifths_then_falls_as_one_minus_the_root():
    factor = schedule("wsd", num_steps=100, warmup_ratio=0.0)
    assert all(factor(step) == 1 for step in range(81))
    assert factor(85) == pytest.approx(1 - math.sqrt(0.25))

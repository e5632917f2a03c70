import math
from typing import get_args

import pytest
import torch
from torch.optim import lr_scheduler
from transformers import get_cosine_with_hard_restarts_schedule_with_warmup, get_linear_schedule_with_warmup

from train_fn.config import ScheduleName, TrainingConfig
from train_fn.schedules import SHAPES, schedule, warmup

DECAYING = ["linear", "cosine", "cosine_restarts", "one_cycle", "wsd"]


def factors(num_steps=100, epochs=10, **settings):
    """The factor of each step of a run."""
    config = TrainingConfig(max_epochs=epochs, **settings)
    factor = schedule(config, epoch_steps=num_steps // epochs)
    return [factor(step, 0) for step in range(num_steps)]


def rates(build, num_steps=100):
    """The factor of each step, by a scheduler of torch or transformers."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    reference, found = build(optimizer), []
    for _ in range(num_steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        reference.step()
    return found


def test_every_name_has_a_shape():
    assert set(SHAPES) == set(get_args(ScheduleName))


@pytest.mark.parametrize("name", sorted(SHAPES.keys() - {"one_cycle"}))
def test_a_shape_begins_at_the_peak(name):
    assert factors(schedule=name)[0] == 1


@pytest.mark.parametrize("name", DECAYING)
def test_a_decaying_shape_ends_near_zero_but_no_step_is_wasted_on_it(name):
    found = factors(schedule=name, num_steps=1000)
    assert 0 < found[-1] < 0.03
    assert all(0 < factor <= 1 for factor in found)


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_warm_up_rises_in_equal_steps_to_the_peak(name):
    expected = pytest.approx([(step + 1) / 10 for step in range(9)], abs=1e-12)
    assert factors(schedule=name, warmup_ratio=0.09)[:9] == expected
    assert factors(schedule=name, warmup_steps=9)[:9] == expected


@pytest.mark.parametrize("name", sorted(SHAPES))
@pytest.mark.parametrize("warmup_ratio", [0.0, 0.3, 1.0])
def test_no_step_is_taken_at_rate_zero_in_a_short_run(name, warmup_ratio):
    found = factors(num_steps=7, epochs=1, schedule=name, warmup_ratio=warmup_ratio)
    assert all(0 < factor <= 1 for factor in found)


@pytest.mark.parametrize(("ratio", "num_steps", "steps"), [(0.07, 100, 7), (0.55, 100, 55), (0.14, 50, 7), (0.1, 7, 1)])
def test_warm_up_has_the_very_share_of_the_steps(ratio, num_steps, steps):
    assert warmup(TrainingConfig(warmup_ratio=ratio), num_steps) == steps


def test_a_warm_up_longer_than_the_run_is_all_of_it():
    assert factors(num_steps=10, warmup_steps=50) == pytest.approx([(step + 1) / 11 for step in range(10)])


def test_linear_is_the_schedule_of_transformers():
    reference = rates(lambda optimizer: get_linear_schedule_with_warmup(optimizer, 0, 100))
    assert factors(schedule="linear") == pytest.approx(reference, abs=1e-6)


def test_cosine_is_torch_s():
    reference = rates(lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, T_max=100))
    assert factors(schedule="cosine") == pytest.approx(reference, abs=1e-6)


def test_cosine_restarts_is_the_schedule_of_transformers():
    reference = rates(
        lambda optimizer: get_cosine_with_hard_restarts_schedule_with_warmup(optimizer, 0, 100, num_cycles=4)
    )
    assert factors(schedule="cosine_restarts", cosine_cycles=4) == pytest.approx(reference, abs=1e-6)


def test_step_is_torch_s():
    reference = rates(lambda optimizer: lr_scheduler.StepLR(optimizer, step_size=30, gamma=0.5))
    assert factors(schedule="step", step_epochs=3, step_factor=0.5) == pytest.approx(reference, abs=1e-6)


def test_one_cycle_is_torch_s_but_that_its_last_step_would_be_the_next_one():
    reference = rates(
        lambda optimizer: lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=101, pct_start=31 / 101)
    )
    assert factors(schedule="one_cycle") == pytest.approx(reference, abs=1e-6)


def test_wsd_holds_the_peak_for_four_fifths_then_falls_as_one_minus_the_root():
    found = factors(schedule="wsd")
    assert found[:81] == [1.0] * 81
    assert found[85] == pytest.approx(1 - math.sqrt(0.25), abs=1e-6)
    assert factors(schedule="wsd", cooldown_ratio=0.5)[75] == pytest.approx(1 - math.sqrt(0.5), abs=1e-6)


def test_plateau_falls_with_each_drop_alone():
    factor = schedule(TrainingConfig(schedule="plateau", plateau_factor=0.5, max_epochs=1), epoch_steps=100)
    assert [factor(50, drops) for drops in range(3)] == [1.0, 0.5, 0.25]


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_no_schedule_goes_below_its_floor_after_warm_up(name):
    found = factors(schedule=name, min_learning_rate_ratio=0.1)
    assert min(found) >= 0.1
    assert max(found) == pytest.approx(1, abs=1e-3)

"""Runs beside each other in lanes, in this process."""

from collections.abc import Callable, Sequence

import pytest

from train_fn.config import TrainingConfig
from train_fn.fused.lanes import Lane, Lanes
from train_fn.loop import fine_tune
from train_fn.report import Report

# a larger epsilon, for AdamW turns a gradient of 1e-9 that should be 0 into a full step
COMPARABLE = {"hidden_dropout": 0.0, "attention_dropout": 0.0, "classifier_dropout": 0.0, "adam_epsilon": 1e-4}
SMOOTH = ("loss", "train_loss", "grad_norm", "learning_rate", "padding_efficiency", "update_ratio")  # no ranks


def in_lanes(
    configs: Sequence[TrainingConfig], at_once: int | None = None, each: Callable[[int, Report], bool] = lambda *_: True
) -> list[list[Report]]:
    """Reports of each; `each` is asked after one whether that run goes on. Others take the places of those that end."""
    lanes, waiting, numbers = Lanes(), list(range(len(configs))), dict[Lane, int]()
    said: list[list[Report]] = [[] for _ in configs]
    while waiting or lanes.there:
        while waiting and len(lanes.there) < (at_once or len(configs)):
            lane = Lane(configs[waiting[0]])
            numbers[lane] = waiting.pop(0)
            lanes.join(lane)
        for lane, report in lanes.train(list(lanes.there)).items():
            if isinstance(report, Exception):
                raise report
            if report is not None:
                said[numbers[lane]].append(report)
            if report is None or not each(numbers[lane], report):
                lanes.leave(lane)
    return said


def assert_as_alone(config: TrainingConfig, said: Sequence[Report], tolerance: float = 1e-4) -> None:
    """`said` in a lane; here it is trained by itself, in the ordinary loop."""
    alone = list(fine_tune(config))
    assert [one.epoch for one in said] == [one.epoch for one in alone]
    for one, other in zip(said, alone, strict=True):
        assert one.metrics.keys() == other.metrics.keys()
        for name in one.metrics:
            if name.startswith(SMOOTH):
                assert one.metrics[name] == pytest.approx(other.metrics[name], abs=tolerance, rel=tolerance), name
        assert one.details.keys() == other.details.keys()

"""The steps that a run is measured by are the largest that it takes."""

from collections.abc import Callable
from itertools import islice

import numpy
import pytest

from train_fn import preflight, text
from train_fn.config import TextConfig


def test_its_steps_are_on_the_longest_rows_and_outlast_the_schedule(
    toy: Callable[..., TextConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, seen = toy(batch_size=64, max_epochs=1), []
    take_step = preflight.take_step

    def watched(setup, state, rows):  # type: ignore[no-untyped-def]
        lengths = setup.train.lengths
        others = numpy.delete(lengths, rows)
        seen.append((len(rows), bool(lengths[rows].min() >= others.max()), state.step < setup.plan.num_steps))
        return take_step(setup, state, rows)

    monkeypatch.setattr(preflight, "take_step", watched)
    assert len(list(islice(text.preflight(config), 5))) == 5, "a run of this has two steps"
    assert seen == [(64, True, True)] * 5


def test_every_name_that_memory_is_said_to_depend_on_is_a_setting() -> None:
    from train_fn.config import ImageConfig

    known = {*TextConfig.__dataclass_fields__, *ImageConfig.__dataclass_fields__}
    assert set(text.MEMORY) <= known

"""Imports are not searched for garbage, and what was set before is set again."""

import gc
from contextlib import suppress

import pytest

from train_fn.importing import uncollected


@pytest.mark.parametrize("collects", [True, False])
def test_nothing_is_collected_within_and_as_before_after_it(collects):
    (gc.enable if collects else gc.disable)()
    try:
        with suppress(ImportError), uncollected():
            assert not gc.isenabled()
            raise ImportError("of a library that is broken")
        assert gc.isenabled() is collects
    finally:
        gc.enable()

"""Which errors leave a process without its GPU, so that no other trial may be given to it."""

import pytest
import torch

from hpo.worker import failure

FAULT = torch.AcceleratorError("CUDA error: device-side assert triggered")


def raised(error: Exception, cause: Exception | None = None) -> bool:
    try:
        if cause:
            raise error from cause
        raise error
    except Exception as caught:
        return failure(caught).lost_device


@pytest.mark.parametrize("error", [FAULT, ValueError("of a person's own, after it")])
def test_a_fault_of_the_device_ends_its_process_though_it_was_raised_anew(error: Exception) -> None:
    assert raised(error, None if error is FAULT else FAULT)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), IndexError("list index out of range")])
def test_memory_that_ran_out_and_errors_of_python_leave_the_device_as_it_was(error: Exception) -> None:
    assert not raised(error)

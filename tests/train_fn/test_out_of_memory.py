import pytest
import torch

from train_fn.errors import InfeasibleError
from train_fn.out_of_memory import with_halving


def device_with_room_for(rows):
    def take(micro_batch_size):
        if micro_batch_size > rows:
            raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2 GiB")
        return "done"

    return take


@pytest.mark.parametrize(("room", "fits"), [(32, 32), (31, 16), (9, 8), (1, 1)])
def test_micro_batches_are_halved_until_they_fit(room, fits):
    undone = []
    assert with_halving(device_with_room_for(room), 32, lambda: undone.append(1)) == ("done", fits)
    assert 32 // 2 ** len(undone) == fits


def test_a_single_row_that_does_not_fit_is_infeasible_in_one_line():
    with pytest.raises(InfeasibleError, match="got out of memory with 1 row .*Tried to allocate 2 GiB") as error:
        with_halving(device_with_room_for(0), 8, lambda: None)
    assert "\n" not in str(error.value)


def test_the_failed_attempt_s_tensors_are_let_go_before_the_next():
    import weakref

    held = []

    def take(micro_batch_size):
        assert not any(reference() is not None for reference in held)
        activations = torch.zeros(1000)
        held.append(weakref.ref(activations))
        if micro_batch_size > 2:
            raise torch.OutOfMemoryError("no room")
        return micro_batch_size

    assert with_halving(take, 8, lambda: None) == (2, 2)


def test_other_errors_are_none_of_its_business():
    def take(micro_batch_size):
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        with_halving(take, 8, lambda: None)

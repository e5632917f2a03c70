from hypothesis import given
from hypothesis import strategies as st

from train_fn.config import TrainingConfig
from train_fn.plan import plan


def evaluations(epoch_steps, **settings):
    """After which steps a run is evaluated."""
    found, steps = [], plan(TrainingConfig(**settings), epoch_steps)
    while not found or found[-1] < steps.num_steps:
        found.append(steps.next_evaluation(found[-1] if found else 0))
    return found


def test_by_default_there_is_one_at_the_end_of_each_epoch():
    assert evaluations(7, max_epochs=3) == [7, 14, 21]


def test_a_quarter_of_an_epoch_is_four_in_each():
    assert evaluations(10, max_epochs=2, eval_epochs=0.25) == [2, 5, 7, 10, 12, 15, 17, 20]


def test_every_n_steps_and_once_more_at_the_end():
    assert evaluations(10, max_epochs=1, eval_steps=4) == [4, 8, 10]


def test_several_epochs_may_pass_without_one():
    assert evaluations(5, max_epochs=5, eval_epochs=2) == [10, 20, 25]


def test_tenths_of_an_epoch_do_not_drift():
    assert evaluations(30, max_epochs=1, eval_epochs=0.1) == list(range(3, 31, 3))


@given(st.integers(1, 500), st.integers(1, 5), st.floats(1e-3, 10))
def test_evaluations_move_forward_and_end_with_the_run(epoch_steps, max_epochs, eval_epochs):
    found = evaluations(epoch_steps, max_epochs=max_epochs, eval_epochs=eval_epochs)
    assert all(earlier < later for earlier, later in zip(found, found[1:], strict=False))
    assert found[-1] == epoch_steps * max_epochs


@given(st.integers(1, 100), st.integers(1, 3), st.floats(1e-2, 3), st.data())
def test_a_resumed_run_is_evaluated_where_an_uninterrupted_one_is(epoch_steps, max_epochs, eval_epochs, data):
    config = TrainingConfig(max_epochs=max_epochs, eval_epochs=eval_epochs)
    steps, through = plan(config, epoch_steps), evaluations(epoch_steps, max_epochs=max_epochs, eval_epochs=eval_epochs)
    stopped = data.draw(st.integers(0, epoch_steps * max_epochs - 1))
    assert steps.next_evaluation(stopped) == min(step for step in through if step > stopped)

"""When memory runs out in the middle of a step, the step is taken again in smaller parts."""

from itertools import islice

import pytest
import torch
from safetensors.torch import load_file

from train_fn import text_material
from train_fn.errors import InfeasibleError
from train_fn.text import epochs, train

BUILD = text_material.new_model


@pytest.fixture
def running_out(monkeypatch):
    """Memory runs out at this forward pass, counted from 0, or at this backward pass."""

    def arm(call, direction="forward"):
        passes = []

        def run_out(*_):
            passes.append(1)
            if len(passes) == call + 1:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

        def new_model(*arguments):
            model = BUILD(*arguments)
            if direction == "forward":
                model.register_forward_pre_hook(lambda module, inputs: run_out() if module.training else None)
            else:
                model.classifier.register_full_backward_hook(run_out)
            return model

        monkeypatch.setattr(text_material, "new_model", new_model)
        return passes

    return arm


def end_of(config, folder):
    """The weights and the last report of a run."""
    for report in epochs(config):
        last = report
        if report.epoch == config.max_epochs:
            folder.mkdir()
            report.save(folder)
    return load_file(folder / "model" / "model.safetensors"), last


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("call", [0, 1])
def test_at_any_part_of_the_first_step_it_is_the_run_that_began_with_smaller_parts(
    toy, running_out, steady, tmp_path, call, direction
):
    """Bit for bit, with dropout: the second attempt draws from the step's own stream again."""
    settings = {"max_epochs": 1, "hidden_dropout": 0.2, "classifier_dropout": 0.2}
    expected, report = end_of(toy(micro_batch_size=4, **settings), tmp_path / "small")
    passes = running_out(call, direction)
    weights, survived = end_of(toy(micro_batch_size=8, **settings), tmp_path / "halved")
    assert len(passes) > call
    assert all(torch.equal(weights[name], tensor) for name, tensor in expected.items())
    assert steady(survived) == steady(report)
    assert survived.metrics["micro_batch_size"] == 4


@pytest.mark.parametrize("call", range(13))  # the passes of an epoch of 7 steps, the last of them with 2 rows
def test_at_every_part_of_every_step_the_effective_batch_stays_the_same(toy, no_dropout, running_out, tmp_path, call):
    # a larger epsilon, for AdamW turns a gradient of 1e-9 that should be 0 into a full step
    settings = {"max_epochs": 1, "adam_epsilon": 1e-4, **no_dropout}
    expected, _ = end_of(toy(micro_batch_size=4, **settings), tmp_path / "small")
    running_out(call)
    weights, report = end_of(toy(micro_batch_size=8, **settings), tmp_path / "halved")
    for name, tensor in expected.items():
        torch.testing.assert_close(weights[name], tensor, atol=1e-6, rtol=0, msg=name)
    assert report.metrics["micro_batch_size"] == 4


def test_a_resumed_run_does_not_try_the_larger_parts_again(toy, running_out, tmp_path):
    running_out(0)
    (report,) = islice(epochs(toy(max_epochs=2)), 1)
    (tmp_path / "checkpoint").mkdir()
    report.save(tmp_path / "checkpoint")
    (resumed,) = epochs(toy(max_epochs=2), tmp_path / "checkpoint")
    assert resumed.metrics["micro_batch_size"] == 8


def test_a_run_whose_single_row_does_not_fit_says_so(toy, monkeypatch):
    def new_model(*arguments):
        model = BUILD(*arguments)

        def run_out(*_):
            raise torch.OutOfMemoryError("CUDA out of memory")

        model.register_forward_pre_hook(run_out)
        return model

    monkeypatch.setattr(text_material, "new_model", new_model)
    with pytest.raises(InfeasibleError, match="`micro_batch_size` must leave room on the device, got .* with 1 row"):
        train(toy())

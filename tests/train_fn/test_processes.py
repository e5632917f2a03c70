"""Two processes that share each batch train the model that one would."""

import pytest
import torch
from safetensors.torch import load_file
from torch import distributed
from torch.distributed import destroy_process_group

from train_fn.text import epochs


def end_of(config, folder):
    reports = []
    for report in epochs(config):
        reports.append(report)
        if report.epoch == config.max_epochs:
            folder.mkdir()
            report.save(folder)
    return load_file(folder / "model" / "model.safetensors"), reports


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"batch_size": 3, "micro_batch_size": 2},  # the last batch has 2 rows, and parts are of unequal size
        {"class_weights": "balanced", "loss_weighting": "tokens", "ema_decay": 0.5, "eval_epochs": 0.5},
    ],
    ids=["plain", "uneven", "weighted"],
)
def test_two_processes_equal_one_on_the_same_global_batches(toy, no_dropout, tmp_path, settings):
    # a larger epsilon, for AdamW turns a gradient of 1e-9 that should be 0 into a full step
    config = {"adam_epsilon": 1e-4, **no_dropout, **settings}
    alone, reports = end_of(toy(**config), tmp_path / "alone")
    shared, of_both = end_of(toy(num_processes=2, **config), tmp_path / "shared")
    for name, tensor in alone.items():
        torch.testing.assert_close(shared[name], tensor, atol=1e-5, rtol=0, msg=name)
    assert len(of_both) == len(reports)
    for one, two in zip(reports, of_both, strict=True):
        for name in ("loss", "train_loss", "grad_norm", "f1_weighted", "accuracy"):
            assert two.metrics[name] == pytest.approx(one.metrics[name], abs=1e-4), name


def test_a_checkpoint_of_one_process_is_continued_by_two(toy, no_dropout, tmp_path):
    config = {"adam_epsilon": 1e-4, "max_epochs": 2, **no_dropout}
    alone, _ = end_of(toy(**config), tmp_path / "alone")
    first = next(epochs(toy(**config)))
    (tmp_path / "half").mkdir()
    first.save(tmp_path / "half")
    (last,) = (report for report in epochs(toy(num_processes=2, **config), tmp_path / "half"))
    assert last.epoch == 2
    # the run is over, but what it saved at its report is what counts
    run = epochs(toy(num_processes=2, **config), tmp_path / "half")
    (tmp_path / "shared").mkdir()
    next(run).save(tmp_path / "shared")
    run.close()
    for name, tensor in load_file(tmp_path / "shared" / "model" / "model.safetensors").items():
        torch.testing.assert_close(tensor, alone[name], atol=1e-5, rtol=0, msg=name)


def test_processes_draw_dropout_of_their_own(toy, steady):
    """The same stream in each would drop the same units of different rows: not wrong, but half as random."""
    config = toy(num_processes=2, hidden_dropout=0.5)
    first, again = list(epochs(config)), list(epochs(config))
    assert [steady(report) for report in first] == [steady(report) for report in again]


def test_closing_the_generator_ends_the_other_processes_before_they_could_miss_the_group(toy, capfd, monkeypatch):
    import multiprocessing

    still_there = []

    def destroy():
        still_there.extend(multiprocessing.active_children())
        destroy_process_group()

    monkeypatch.setattr(distributed, "destroy_process_group", destroy)
    run = epochs(toy(num_processes=2, max_epochs=50))
    next(run)
    assert multiprocessing.active_children()
    run.close()
    assert not still_there
    assert not multiprocessing.active_children()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "settings", [{}, {"batch_size": 3, "micro_batch_size": 1, "layer_decay": 0.8}], ids=["plain", "uneven"]
)
def test_sharded_weights_learn_what_whole_ones_learn(toy, no_dropout, tmp_path, settings):
    config = {"adam_epsilon": 1e-4, "max_epochs": 1, **no_dropout, **settings}
    alone, [one] = end_of(toy(**config), tmp_path / "alone")
    shared, [two] = end_of(toy(num_processes=2, sharding="full", **config), tmp_path / "shared")
    for name, tensor in alone.items():
        torch.testing.assert_close(shared[name], tensor, atol=1e-5, rtol=0, msg=name)
    for name in ("loss", "train_loss", "grad_norm", "f1_weighted", "update_ratio/depth_01"):
        assert two.metrics[name] == pytest.approx(one.metrics[name], abs=1e-4), name


def test_a_sharded_checkpoint_is_continued_by_one_process_and_the_other_way_round(toy, no_dropout, tmp_path):
    config = {"adam_epsilon": 1e-4, "max_epochs": 2, **no_dropout}
    expected, _ = end_of(toy(**config), tmp_path / "alone")
    ways = {"alone": {}, "sharded": {"num_processes": 2, "sharding": "full"}}
    for first, second in (("alone", "sharded"), ("sharded", "alone")):
        run = epochs(toy(**config, **ways[first]))
        (tmp_path / f"{first} first").mkdir()
        next(run).save(tmp_path / f"{first} first")
        run.close()
        rest = epochs(toy(**config, **ways[second]), tmp_path / f"{first} first")
        (tmp_path / f"then {second}").mkdir()
        next(rest).save(tmp_path / f"then {second}")
        rest.close()
        for name, tensor in load_file(tmp_path / f"then {second}" / "model" / "model.safetensors").items():
            torch.testing.assert_close(tensor, expected[name], atol=1e-5, rtol=0, msg=name)

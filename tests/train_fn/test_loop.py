from itertools import islice
from typing import get_args

import numpy
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_
from transformers import AutoTokenizer, get_linear_schedule_with_warmup

from train_fn import data
from train_fn.batches import training_batches
from train_fn.config import ScheduleName
from train_fn.evaluation import evaluate
from train_fn.model import model_folder, new_model, saved_model
from train_fn.text import epochs, train
from train_fn.token_cache import tokenized_splits

LABELS = ("colour", "fruit", "traffic")


def weights_after(config, folder):
    """The weights at the end of a run; a report can save only until the run goes on."""
    for report in islice(epochs(config), config.max_epochs - 1, None):
        report.save(folder)
    return load_file(folder / "model" / "model.safetensors")


def test_there_is_one_report_for_each_epoch_and_learning_shows(toy):
    reports = train(toy(max_epochs=6))
    assert [report.epoch for report in reports] == [1, 2, 3, 4, 5, 6]
    assert reports[-1].metrics["train_loss"] < 0.5 * reports[0].metrics["train_loss"]
    assert reports[-1].metrics["f1_weighted"] > 0.8
    assert not any(report.diverged for report in reports)


def test_the_reports_name_these_metrics(toy):
    (report, *_) = epochs(toy())
    assert set(report.metrics) == {
        *("loss", "accuracy", "precision_weighted", "precision_macro", "recall_macro", "f1_weighted", "f1_macro"),
        *("roc_auc", "mcc", "ece"),
        *("train_loss", "grad_norm", "learning_rate", "micro_batch_size", "padding_efficiency"),
        *(f"update_ratio/depth_{depth:02}" for depth in range(4)),
        *("speed/tokens_per_second", "time/step_seconds", "time/train_seconds", "time/eval_seconds", "memory/peak_mb"),
    }


def test_the_loss_curve_is_that_of_a_plain_pytorch_loop(toy, no_dropout):
    """Unsorted padding, torch's own scheduler, unfused AdamW: only the order of the rows is shared."""
    config = toy(max_epochs=3, label_smoothing=0.1, weight_decay=0.05, max_grad_norm=0.5, **no_dropout)
    splits = tokenized_splits(config.data, config.model, config.max_length)
    examples = data.load(config.data).train
    tokenizer = AutoTokenizer.from_pretrained(splits.tokenizer.folder)

    model = new_model(config, model_folder(config.model, config.data), splits.task, splits.labels).train()
    matrices = [p for name, p in model.named_parameters() if "LayerNorm" not in name and "bias" not in name]
    vectors = [p for name, p in model.named_parameters() if "LayerNorm" in name or "bias" in name]
    groups = [{"params": matrices, "weight_decay": 0.05}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, fused=False, foreach=False)
    schedule = get_linear_schedule_with_warmup(optimizer, 0, 3 * 7)
    losses, norms = [], []
    for epoch in (0, 1, 2):
        total, epoch_norms = 0.0, []
        for rows in training_batches(splits.train, config, epoch):
            batch = tokenizer(
                [examples.texts[row] for row in rows], padding="max_length", max_length=64, return_tensors="pt"
            )
            targets = torch.from_numpy(examples.targets[rows])
            loss = functional.cross_entropy(model(**batch).logits, targets, label_smoothing=0.1)
            loss.backward()
            epoch_norms.append(clip_grad_norm_(model.parameters(), 0.5).item())
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            total += loss.item() * len(rows)
        losses.append(total / len(examples.texts))
        norms.append(sum(epoch_norms) / len(epoch_norms))

    reports = train(config)
    assert [report.metrics["train_loss"] for report in reports] == pytest.approx(losses, abs=1e-6)
    assert [report.metrics["grad_norm"] for report in reports] == pytest.approx(norms, rel=1e-4)


@pytest.mark.parametrize("micro_batch_size", [4, 5])  # 5 leaves parts of unequal size
def test_accumulated_micro_batches_equal_one_batch(toy, no_dropout, tmp_path, micro_batch_size):
    # a larger epsilon, for AdamW turns a gradient of 1e-9 that should be 0 into a full step
    whole = toy(max_epochs=1, label_smoothing=0.1, adam_epsilon=1e-4, **no_dropout)
    parts = toy(max_epochs=1, label_smoothing=0.1, adam_epsilon=1e-4, micro_batch_size=micro_batch_size, **no_dropout)
    expected, got = weights_after(whole, tmp_path / "whole"), weights_after(parts, tmp_path / "parts")
    for name, tensor in expected.items():
        torch.testing.assert_close(got[name], tensor, atol=1e-6, rtol=0, msg=name)


def test_clipping_bounds_what_a_step_can_move(toy, no_dropout, tmp_path):
    # where epsilon is far above the gradient, AdamW's step is proportional to it, and so shows its length
    settings = {"max_epochs": 1, "batch_size": 98, "schedule": "constant", "weight_decay": 0.0, "adam_epsilon": 1e4}
    start = new_model(
        toy(), model_folder("tiny", toy().data), "classification", ("colour", "fruit", "traffic")
    ).state_dict()

    def moved(max_grad_norm):
        config = toy(learning_rate=1e4, max_grad_norm=max_grad_norm, **settings, **no_dropout)
        (report,) = epochs(config)
        after = weights_after(config, tmp_path / str(max_grad_norm))
        step = torch.cat([(after[name] - start[name]).double().flatten() for name in after])
        return step.norm().item(), report.metrics["grad_norm"]

    free_step, free_norm = moved(None)
    clipped_step, clipped_norm = moved(0.01)
    assert free_norm == clipped_norm > 0.03  # the norm is reported as it was before clipping
    assert free_step == pytest.approx(free_norm, rel=1e-2)
    assert clipped_step == pytest.approx(0.01, rel=1e-2)


def test_the_reported_learning_rate_is_that_of_the_last_step(toy):
    rates = [report.metrics["learning_rate"] for report in epochs(toy(learning_rate=1e-3, max_epochs=2))]
    assert rates == pytest.approx([1e-3 * (1 - 6 / 14), 1e-3 * (1 - 13 / 14)])


@pytest.mark.parametrize("settings", [{}, {"freeze": "backbone"}], ids=["all", "frozen"])
def test_a_head_s_own_rate_is_reported(toy, settings):
    """The pooler is as deep as the head, and has the usual one."""
    [report] = train(toy(max_epochs=1, schedule="constant", head_learning_rate_multiplier=10.0, **settings))
    assert report.metrics["learning_rate"] == 1e-3
    assert report.metrics["learning_rate/head"] == pytest.approx(1e-2)
    assert report.metrics.get("learning_rate/depth_03", 1e-3) == 1e-3


def test_closing_the_generator_stops_the_run(toy):
    run = epochs(toy(max_epochs=50))
    next(run)
    run.close()
    assert next(run, None) is None


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_an_absurd_learning_rate_ends_in_one_diverged_report(toy, precision):
    *_, last = reports = train(toy(learning_rate=1e30, max_epochs=3, precision=precision))
    assert len(reports) == 1
    assert last.diverged in ("training loss is nan at step 2", "training loss is nan at step 3")
    assert last.save is None
    assert all(numpy.isfinite(value) for value in last.metrics.values())


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision_learns_like_fp32(toy, precision):
    mixed, full = train(toy(max_epochs=4, precision=precision)), train(toy(max_epochs=4))
    assert mixed[-1].metrics["train_loss"] == pytest.approx(full[-1].metrics["train_loss"], rel=0.1)


@pytest.mark.parametrize("schedule", get_args(ScheduleName))
def test_every_schedule_trains(toy, schedule):
    reports = train(toy(schedule=schedule, warmup_ratio=0.2, layer_decay=0.8))
    assert reports[-1].metrics["train_loss"] < reports[0].metrics["train_loss"]


@pytest.mark.parametrize(
    ("optimizer", "learning_rate"), [("adamw", 1e-3), ("radam", 1e-2), ("adafactor", 5e-2), ("sgd", 0.1)]
)
def test_every_optimizer_trains(toy, optimizer, learning_rate):
    reports = train(toy(optimizer=optimizer, learning_rate=learning_rate, warmup_ratio=0.2, max_epochs=20))
    assert reports[-1].metrics["train_loss"] < 0.9 * reports[0].metrics["train_loss"]


@pytest.mark.parametrize("average", [{"ema_decay": 0.9}, {"swa_start": 0.5}])
def test_averaged_weights_are_what_is_evaluated_and_saved(toy, average, tmp_path):
    config = toy(max_epochs=4, **average)
    for report in epochs(config):
        last = report
        folder = tmp_path / str(report.epoch)
        folder.mkdir()
        report.save(folder)
    saved, own = (
        load_file(folder / "model" / "model.safetensors"),
        {
            name.partition(".")[2]: tensor
            for name, tensor in load_file(folder / "training.safetensors").items()
            if name.startswith("weights.")
        },
    )
    assert not all(torch.equal(saved[name], tensor) for name, tensor in own.items())
    splits = tokenized_splits(config.data, config.model, config.max_length)
    again = evaluate(saved_model(folder / "model"), splits.valid, "fp32", task=splits.task, labels=splits.labels)
    assert again.metrics["loss"] == pytest.approx(last.metrics["loss"], abs=1e-6)


def test_swa_is_the_mean_of_the_weights_at_the_evaluations_of_the_last_part(toy, tmp_path):
    seen = []
    for report in epochs(toy(max_epochs=4, swa_start=0.5)):
        folder = tmp_path / str(report.epoch)
        folder.mkdir()
        report.save(folder)
        own = load_file(folder / "training.safetensors").get("weights.classifier.weight")
        saved = load_file(folder / "model" / "model.safetensors")["classifier.weight"]
        seen.append(saved if own is None else own)
    torch.testing.assert_close(saved, torch.stack(seen[1:]).mean(dim=0))


def test_early_stopping_ends_with_the_best_weights(toy, tmp_path):
    config = toy(max_epochs=40, learning_rate=3e-3, schedule="constant", early_stopping_patience=3, weight_decay=0.0)
    for report in epochs(config):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        report.save(folder)
    folders = sorted(tmp_path.iterdir(), key=lambda path: int(path.name))
    reports = train(config)
    losses = [report.metrics["loss"] for report in reports]
    assert len(reports) == len(folders) < 40
    best = min(range(len(losses) - 1), key=lambda index: losses[index])
    assert best == len(losses) - 1 - 1 - 3  # three evaluations without gain, and the restored one
    assert losses[-1] == pytest.approx(losses[best], abs=1e-6)
    assert reports[-1].epoch == reports[-2].epoch
    expected, restored = (
        load_file(folders[index] / "model" / "model.safetensors") for index in (best, len(losses) - 1)
    )
    assert all(torch.equal(restored[name], tensor) for name, tensor in expected.items())


def test_a_run_that_was_stopped_early_has_nothing_to_resume(toy, tmp_path):
    config = toy(max_epochs=40, learning_rate=3e-3, schedule="constant", early_stopping_patience=1)
    run, last = epochs(config), None
    for index, report in enumerate(run):
        last = tmp_path / str(index)
        last.mkdir()
        report.save(last)
    assert list(epochs(config, last)) == []
    (restored,) = epochs(config, tmp_path / str(index - 1))
    assert restored.metrics["loss"] == report.metrics["loss"]


def test_a_score_may_be_what_is_waited_for(toy):
    reports = train(toy(max_epochs=30, learning_rate=1e-3, early_stopping_patience=3, early_stopping_metric="f1_macro"))
    scores = [report.metrics["f1_macro"] for report in reports]
    assert scores[-1] == max(scores)


def test_blocks_begin_to_learn_from_the_top_down(toy):
    moved = [
        [report.metrics.get(f"update_ratio/depth_{depth:02}", 0) > 0 for depth in range(4)]
        for report in epochs(toy(unfreeze_every=1.0, max_epochs=4))
    ]
    assert moved == [
        [False, False, False, True],
        [False, False, True, True],
        [False, True, True, True],
        [True, True, True, True],
    ]


def test_the_plateau_schedule_lowers_the_rate_when_the_valid_loss_stands_still(toy):
    config = toy(schedule="plateau", plateau_patience=1, plateau_factor=0.1, max_epochs=30, learning_rate=5e-3)
    reports = train(config)
    best, waited, expected = float("inf"), 0, 1.0
    for report in reports:
        assert report.metrics["learning_rate"] == pytest.approx(5e-3 * expected)
        waited = 0 if report.metrics["loss"] < best else waited + 1
        best = min(best, report.metrics["loss"])
        if waited > 1:
            expected, waited = expected * 0.1, 0
    assert expected < 1


def test_reports_come_between_epochs_when_they_are_asked_for(toy):
    assert [report.epoch for report in epochs(toy(eval_epochs=0.5, max_epochs=1))] == pytest.approx([3 / 7, 1])
    assert [report.epoch for report in epochs(toy(eval_steps=3, max_epochs=1))] == pytest.approx([3 / 7, 6 / 7, 1])


def test_evaluating_more_often_changes_nothing_of_what_is_learned(toy, tmp_path):
    rare, often = (weights_after(toy(max_epochs=1), tmp_path / "1"), {})
    for report in epochs(toy(max_epochs=1, eval_steps=1)):
        if report.epoch == 1:
            (tmp_path / "2").mkdir()
            report.save(tmp_path / "2")
    often = load_file(tmp_path / "2" / "model" / "model.safetensors")
    assert all(torch.equal(often[name], tensor) for name, tensor in rare.items())


def test_each_class_and_each_weight_can_be_looked_at(toy):
    report = next(epochs(toy(per_class_metrics=True, histograms=True)))
    assert {"f1/fruit", "precision/colour", "recall/traffic"} <= report.metrics.keys()
    assert report.metrics["f1/fruit"] == report.details["classes"]["fruit"]["f1"]
    histogram = report.details["weights"]["classifier.weight"]
    assert sum(histogram["counts"]) == 3 * 128
    assert sum(report.details["gradients"]["classifier.weight"]["counts"]) == 3 * 128
    assert report.details["model"]["trainable_parameters"] == report.details["model"]["parameters"] > 100_000


def test_a_frozen_backbone_stays_as_it_was(toy, tmp_path):
    start = new_model(
        toy(), model_folder("tiny", toy().data), "classification", ("colour", "fruit", "traffic")
    ).state_dict()
    after = weights_after(toy(max_epochs=1, freeze="backbone"), tmp_path / "frozen")
    for name, tensor in after.items():
        assert torch.equal(tensor, start[name]) == name.startswith("bert."), name


def test_a_model_that_falls_back_to_guessing_ends_the_run_and_says_at_which_step(toy, monkeypatch):
    """From step 200 on its gradients point the wrong way, as after a bad batch at a high rate."""
    from train_fn import step

    take = step.nn.utils.clip_grad_norm_
    taken = []

    def turned(parameters, max_norm):
        taken.append(1)
        for parameter in parameters:
            if len(taken) > 200 and parameter.grad is not None:
                parameter.grad.neg_()
        return take(parameters, max_norm)

    monkeypatch.setattr(step.nn.utils, "clip_grad_norm_", turned)
    config = {"max_epochs": 60, "learning_rate": 1e-3, "schedule": "constant"}
    *_, last = train(toy(**config))
    assert last.diverged.startswith("training loss is ")
    assert "times its best" in last.diverged
    assert 200 < int(last.diverged.rpartition(" at step ")[2]) < 300
    taken.clear()
    assert not train(toy(spike_factor=None, **config | {"max_epochs": 40}))[-1].diverged


def test_a_healthy_run_of_many_epochs_is_no_divergence(toy):
    reports = train(toy(max_epochs=60, batch_size=4, learning_rate=1e-3, hidden_dropout=0.3))
    assert len(reports) == 60

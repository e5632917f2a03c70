"""A run that was stopped and resumed, at any step, is bit for bit the run that was not."""

import hashlib
import json
import shutil
from itertools import islice

import pytest
import torch
from safetensors.torch import load_file, save_file

from train_fn.checkpoint import CheckpointError, commit, verify
from train_fn.saved_weights import saved_weights
from train_fn.text import epochs

DROPOUT = {"hidden_dropout": 0.2, "attention_dropout": 0.2, "classifier_dropout": 0.2}
INGREDIENTS = {
    "dropout": DROPOUT,
    "accumulation": {"micro_batch_size": 3},  # 4 parts, the last of one row
    "bf16": {"precision": "bf16"},
    "ema": {"ema_decay": 0.9},
    "lora": {"lora_rank": 2, "lora_dropout": 0.1},
}
EVERYTHING = {
    **DROPOUT,
    "precision": "fp16",
    "micro_batch_size": 3,
    "layer_decay": 0.8,
    "schedule": "plateau",
    "plateau_patience": 0,
    "warmup_ratio": 0.1,
    "swa_start": 0.3,
    "early_stopping_patience": 100,
    "unfreeze_every": 1.0,
    "class_weights": "balanced",
    "sampling_power": 0.5,
    "r_drop": 1.0,
}


@pytest.fixture
def sixty(toy):
    """60 steps, each of them evaluated and saved."""

    def config(**settings):
        return toy(**{"batch_size": 10, "max_epochs": 6, "eval_steps": 1, "schedule": "cosine"} | settings)

    return config


def digests(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "evaluation.json"  # which tells of times
    }


def saved(report, folder):
    folder.mkdir()
    report.save(folder)
    return folder


def resumed(config, checkpoint, folder):
    """The checkpoint one report after another one."""
    run = epochs(config, checkpoint)
    try:
        return saved(next(run), folder)
    finally:
        run.close()


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("ingredient", INGREDIENTS)
def test_from_each_of_sixty_steps_the_next_is_the_same(sixty, tmp_path, optimizer, ingredient):
    """Every byte of the next checkpoint: by induction the rest of the run is the same, wherever it is resumed."""
    each_step_leads_to_the_next(sixty(optimizer=optimizer, **INGREDIENTS[ingredient]), tmp_path)


def test_with_everything_at_once_too(sixty, tmp_path):
    each_step_leads_to_the_next(sixty(**EVERYTHING), tmp_path)


def each_step_leads_to_the_next(config, folder):
    before = None
    for step, report in enumerate(epochs(config), start=1):
        after = saved(report, folder / f"through-{step}")
        if before is not None:
            again = resumed(config, before, folder / f"resumed-{step}")
            assert digests(again) == digests(after), f"step {step}"
            shutil.rmtree(again), shutil.rmtree(before)
        before = after
    assert step >= 60  # one more where the best weights are restored at the end


@pytest.mark.parametrize("stop", [1, 29, 59])
def test_the_weights_at_the_end_are_those_of_the_run_that_never_stopped(sixty, tmp_path, stop):
    config = sixty(**INGREDIENTS["dropout"], ema_decay=0.9)
    for step, report in enumerate(epochs(config), start=1):
        if step in (stop, 60):
            saved(report, tmp_path / f"through-{step}")
    *_, last = (
        saved(report, tmp_path / f"resumed-{report.epoch}") for report in epochs(config, tmp_path / f"through-{stop}")
    )
    assert digests(last) == digests(tmp_path / "through-60")


def test_between_evaluations_nothing_depends_on_where_a_run_was_resumed(sixty, steady, tmp_path):
    config = sixty(eval_steps=7, **DROPOUT)
    through = []
    for report in epochs(config):
        through.append(steady(report))
        commit(tmp_path / f"{report.epoch}", report.save)
        verify(tmp_path / f"{report.epoch}")
    assert [steady(report) for report in epochs(config, tmp_path / "2.8")] == through[4:]


# What a checkpoint holds: where each item matters, and how it is left out.
ITEMS = {
    "model": {},
    "optimizer.exp_avg": {},
    "optimizer.exp_avg_sq": {},
    "optimizer.step": {},
    "optimizer.momentum_buffer": {"optimizer": "sgd"},
    "average": {"ema_decay": 0.9},
    "weights": {"ema_decay": 0.9},
    "best": {"early_stopping_patience": 50, "learning_rate": 3e-2},
    "step": {"schedule": "constant", "learning_rate": 1e-4},
    "micro_batch_size": {},
    "num_averaged": {"ema_decay": 0.99},
    "trend": {},
    "patience": {"early_stopping_patience": 50, "learning_rate": 1e-1},
    "plateau": {"schedule": "plateau", "plateau_patience": 3, "learning_rate": 3e-2},
    "drops": {"schedule": "plateau", "plateau_patience": 0, "learning_rate": 3e-2},
    "scaler": {"precision": "fp16"},
}


@pytest.mark.parametrize("item", ITEMS)
def test_a_checkpoint_without_any_one_item_leads_elsewhere(sixty, tmp_path, monkeypatch, item):
    settings = dict(ITEMS[item])
    config = sixty(**settings)
    if item == "micro_batch_size":
        memory_runs_out_at_the_first_step(monkeypatch)
    run = epochs(config)
    *_, report = islice(run, 17)
    before, after = saved(report, tmp_path / "before"), saved(next(run), tmp_path / "after")
    run.close()
    monkeypatch.undo()
    leave_out(item, before)
    try:
        again = resumed(config, before, tmp_path / "again")
    except (KeyError, ValueError, IndexError):
        return  # noticed at once
    assert digests(again) != digests(after)


def test_and_one_that_is_whole_does_not(sixty, tmp_path):
    run = epochs(sixty())
    *_, report = islice(run, 17)
    before, after = saved(report, tmp_path / "before"), saved(next(run), tmp_path / "after")
    run.close()
    assert digests(resumed(sixty(), before, tmp_path / "again")) == digests(after)


def leave_out(item, folder):
    """As it would be in a run that has just begun."""
    progress = json.loads((folder / "state.json").read_text())
    beginning = {
        "step": 0,
        "micro_batch_size": 10,
        "num_averaged": 0,
        "drops": 0,
        "trend": {},
        "patience": {},
        "plateau": {},
        "scaler": {
            "scale": 65536.0,
            "growth_factor": 2.0,
            "backoff_factor": 0.5,
            "growth_interval": 2000,
            "_growth_tracker": 0,
        },
    }
    if item in beginning:
        assert progress[item] != beginning[item]
        (folder / "state.json").write_text(json.dumps(progress | {item: beginning[item]}))
    elif item == "model":
        for path in (folder / "model").glob("*.safetensors"):
            save_file({name: torch.zeros_like(tensor) for name, tensor in load_file(path).items()}, path)
    else:
        kind, _, part = item.partition(".")
        tensors = load_file(folder / "training.safetensors")
        kept = {name: tensor for name, tensor in tensors.items() if not (name.startswith(kind) and name.endswith(part))}
        assert len(kept) < len(tensors)
        save_file(kept, folder / "training.safetensors")


def memory_runs_out_at_the_first_step(monkeypatch):
    from train_fn import text_material

    build = text_material.new_model

    def new_model(*arguments):
        model, calls = build(*arguments), []

        def run_out(*_):
            calls.append(1)
            if len(calls) == 1:
                raise torch.OutOfMemoryError("no room")

        model.register_forward_pre_hook(run_out)
        return model

    monkeypatch.setattr(text_material, "new_model", new_model)


def test_a_checkpoint_holds_a_model_for_anybody_and_no_pickle(toy, tmp_path):
    (report,) = epochs(toy(max_epochs=1))
    commit(tmp_path / "epoch-1", report.save)
    assert {
        "model/config.json",
        "model/model.safetensors",
        "model/tokenizer.json",
        "training.safetensors",
        "state.json",
        "manifest.json",
    } <= set(digests(tmp_path / "epoch-1"))
    assert {path.suffix for path in (tmp_path / "epoch-1").rglob("*") if path.is_file()} <= {".json", ".safetensors"}


def test_a_finished_run_has_nothing_to_resume(toy, tmp_path):
    (report,) = epochs(toy(max_epochs=1))
    commit(tmp_path / "epoch-1", report.save)
    assert list(epochs(toy(max_epochs=1), tmp_path / "epoch-1")) == []


def test_the_other_settings_may_change_at_a_checkpoint(toy, tmp_path):
    (report,) = epochs(toy(max_epochs=1))
    commit(tmp_path / "epoch-1", report.save)
    (longer,) = epochs(toy(max_epochs=2, layer_decay=0.5, learning_rate=1e-4), tmp_path / "epoch-1")
    assert longer.epoch == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": "sgd"}, "`optimizer` must stay adamw when a run goes on from .*, got sgd"),
        ({"amsgrad": True}, "`amsgrad` must stay False"),
        ({"lora_rank": 2}, "`lora_rank` must stay 0"),
        ({"freeze": "backbone"}, "`freeze` must stay nothing"),
        ({"batch_size": 8}, "`batch_size` must stay 16"),
    ],
)
def test_but_not_those_that_a_checkpoint_depends_on(toy, tmp_path, settings, message):
    (report,) = epochs(toy(max_epochs=1))
    commit(tmp_path / "epoch-1", report.save)
    with pytest.raises(CheckpointError, match=message):
        next(epochs(toy(max_epochs=2, **settings), tmp_path / "epoch-1"))


def test_an_average_that_is_no_longer_asked_for_is_let_go(toy, tmp_path):
    (report,) = epochs(toy(max_epochs=1, ema_decay=0.9))
    commit(tmp_path / "epoch-1", report.save)
    second, third = epochs(toy(max_epochs=3), tmp_path / "epoch-1")
    assert second.metrics["loss"] != third.metrics["loss"]  # of weights that learn, not of an average that stands


def test_an_average_that_is_new_begins_at_the_checkpoint(toy, tmp_path):
    (report,) = epochs(toy(max_epochs=1))
    commit(tmp_path / "epoch-1", report.save)
    kept = saved_weights(tmp_path / "epoch-1" / "model")
    (second,) = epochs(toy(max_epochs=2, ema_decay=0.999999, learning_rate=1e-12), tmp_path / "epoch-1")
    commit(tmp_path / "epoch-2", second.save)
    averaged = saved_weights(tmp_path / "epoch-2" / "model")
    for name, tensor in kept.items():
        torch.testing.assert_close(averaged[name], tensor, atol=1e-4, rtol=0)


def test_a_run_that_gets_more_patience_goes_on(toy, tmp_path):
    settings = {"early_stopping_patience": 1, "learning_rate": 1e-2, "max_epochs": 12}
    *_, last = epochs(toy(**settings))
    for number, report in enumerate(epochs(toy(**settings))):
        commit(tmp_path / str(number), report.save)
    more = list(epochs(toy(**settings | {"early_stopping_patience": 4}), tmp_path / str(number)))
    best = min(report.metrics["loss"] for report in more)
    assert more[-1].epoch > last.epoch and more[-1].metrics["loss"] == min(best, last.metrics["loss"])


@pytest.mark.parametrize("damage", ["state.json", "training.safetensors", "model/model.safetensors"])
@pytest.mark.parametrize("how", ["missing", "cut"])
def test_a_damaged_checkpoint_is_said_to_be_one(toy, tmp_path, damage, how):
    (report,) = epochs(toy(max_epochs=1))
    commit(tmp_path / "epoch-1", report.save)
    file = tmp_path / "epoch-1" / damage
    if how == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(
        CheckpointError, match="a checkpoint must be whole, got .*epoch-1 damaged: .*; use an older one"
    ):
        next(epochs(toy(max_epochs=2), tmp_path / "epoch-1"))


def test_a_checkpoint_that_lost_tensors_is_not_resumed_with_new_ones(toy, tmp_path):
    (report,) = epochs(toy(max_epochs=1))
    commit(tmp_path / "epoch-1", report.save)
    save_file({}, tmp_path / "epoch-1" / "training.safetensors")
    with pytest.raises(CheckpointError, match="a checkpoint must be whole"):
        next(epochs(toy(max_epochs=2), tmp_path / "epoch-1"))


def test_histograms_of_restored_weights_do_not_depend_on_a_resume(toy, tmp_path):
    config = toy(early_stopping_patience=1, learning_rate=1e-2, max_epochs=12, histograms=True)
    whole = []
    for number, report in enumerate(epochs(config)):
        whole.append(report)
        commit(tmp_path / str(number), report.save)
    (again,) = epochs(config, tmp_path / str(number - 1))
    assert again.details == whole[-1].details


def test_a_snapshot_may_be_written_when_the_run_has_long_gone_on(toy, tmp_path):
    run = epochs(toy(max_epochs=3, ema_decay=0.9))
    report = next(run)
    expected = digests(saved(report, tmp_path / "at once"))
    write = report.snapshot()
    list(run)
    (tmp_path / "later").mkdir()
    write(tmp_path / "later")
    assert digests(tmp_path / "later") == expected

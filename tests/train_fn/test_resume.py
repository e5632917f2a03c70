import hashlib
from itertools import islice

import pytest

from train_fn.checkpoint import commit, verify
from train_fn.text import epochs


def digests(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_four_epochs_are_bit_for_bit_two_a_checkpoint_and_two_more(toy, steady, tmp_path, precision):
    """With dropout, accumulation in unequal parts, layer decay, warm-up and clipping, at the middle of a schedule."""
    config = toy(
        max_epochs=4,
        precision=precision,
        micro_batch_size=5,
        layer_decay=0.8,
        schedule="cosine",
        warmup_ratio=0.1,
        hidden_dropout=0.2,
        attention_dropout=0.2,
        classifier_dropout=0.2,
    )
    through = []
    for report in epochs(config):
        through.append(steady(report))
        commit(tmp_path / f"through-{report.epoch}", report.save)

    resumed = []
    for start in range(0, 4, 2):
        checkpoint = tmp_path / f"resumed-{start}" if start else None
        for report in islice(epochs(config, checkpoint), 2):
            resumed.append(steady(report))
            commit(tmp_path / f"resumed-{report.epoch}", report.save)

    assert resumed == through
    for epoch in (1, 2, 3, 4):
        verify(tmp_path / f"through-{epoch}")
        assert digests(tmp_path / f"resumed-{epoch}") == digests(tmp_path / f"through-{epoch}")


def test_a_checkpoint_holds_a_model_for_anybody_and_no_pickle(toy, tmp_path):
    (report,) = epochs(toy(max_epochs=1))
    commit(tmp_path / "epoch-1", report.save)
    assert {
        "model/config.json",
        "model/model.safetensors",
        "model/tokenizer.json",
        "optimizer.safetensors",
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

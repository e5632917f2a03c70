"""Runs in lanes against the same runs alone, by the ordinary loop."""

import math
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from tests.train_fn import small_models
from tests.train_fn.in_lanes import COMPARABLE, assert_as_alone, in_lanes
from train_fn.architecture import IN_LANES
from train_fn.dropout import FIELDS
from train_fn.fused.attention import make_attention_of_lanes
from train_fn.fused.dropout import make_dropout_keyed
from train_fn.fused.lanes import Lane, Lanes
from train_fn.fused.stack import Stack
from train_fn.fused.steps import take_steps
from train_fn.loop import fine_tune
from train_fn.text import check, epochs

OWN = {
    "plain": {},
    "another seed, so another order": {"seed": 5},
    "rates of its own": {"learning_rate": 3e-4, "layer_decay": 0.8, "weight_decay": 0.3, "max_grad_norm": 0.05},
    "another schedule": {"schedule": "cosine", "warmup_ratio": 0.2, "max_epochs": 3},
    "another loss": {"label_smoothing": 0.1, "class_weights": "balanced", "loss_weighting": "tokens"},
    "another optimizer": {"optimizer": "sgd", "learning_rate": 0.05},
    "an average": {"ema_decay": 0.9},
    "another average": {"swa_start": 0.5},
    "more evaluations": {"eval_epochs": 0.5},
    "patience": {"early_stopping_patience": 1, "learning_rate": 0.02, "max_epochs": 6},
}


def test_each_lane_learns_what_the_same_run_learns_alone(toy):
    configs = [toy(**COMPARABLE, **own) for own in OWN.values()]
    said = in_lanes([replace(config, fuse_trials=True) for config in configs])
    for config, of_one in zip(configs, said, strict=True):
        assert_as_alone(config, of_one)


@pytest.mark.parametrize(
    "shared",
    [
        {"batch_size": 13, "micro_batch_size": 5},  # 98 rows: 7 in the last batch, and parts of unequal size
        {"r_drop": 1.0},
        {"lora_rank": 2},
        {"freeze": "backbone"},
        {"freeze_blocks": 1},
        {"unfreeze_every": 0.5, "max_epochs": 2},
        {"token_dropout": 0.3},
        {"sampling_power": 0.5},
    ],
    ids=lambda shared: next(iter(shared)),
)
def test_what_all_lanes_share_is_done_as_alone(toy, shared):
    configs = [toy(**COMPARABLE, **shared, seed=seed, learning_rate=rate) for seed, rate in [(0, 1e-3), (1, 5e-3)]]
    said = in_lanes([replace(config, fuse_trials=True) for config in configs])
    for config, of_one in zip(configs, said, strict=True):
        assert_as_alone(config, of_one)
        [by_itself] = in_lanes([replace(config, fuse_trials=True)])
        for one, other in zip(of_one, by_itself, strict=True):
            assert one.metrics["loss"] == pytest.approx(other.metrics["loss"], abs=1e-5)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_in_lanes_learns_like_alone(toy, precision):
    configs = [toy(**COMPARABLE, precision=precision, learning_rate=rate) for rate in (1e-3, 3e-3)]
    said = in_lanes([replace(config, fuse_trials=True) for config in configs])
    for config, of_one in zip(configs, said, strict=True):
        assert_as_alone(config, of_one, tolerance=0.05)


def test_a_lane_whose_gradients_overflow_in_fp16_skips_its_steps_alone(toy):
    """Each lane has a scaler of its own, and the step of one is not that of another."""
    configs = [toy(**COMPARABLE, precision="fp16", learning_rate=rate) for rate in (1e-3, 3e-3)]
    over, other = (Lane(replace(config, fuse_trials=True)) for config in configs)
    too_large = 2.0**24  # 65,536 unless told
    over.state.scaler = torch.amp.GradScaler("cpu", init_scale=too_large)
    lanes = Lanes()
    for lane in (over, other):
        lanes.join(lane)
    found = lanes.train([over, other])
    assert over.state.scaler.get_scale() < too_large, "it has skipped some"
    assert other.state.scaler.get_scale() == 65536
    alone = next(fine_tune(configs[1]))
    for name in ("loss", "train_loss", "grad_norm"):
        assert found[other].metrics[name] == pytest.approx(alone.metrics[name], abs=0.05, rel=0.05)
    assert all(math.isfinite(value) for value in found[over].metrics.values()) and found[over].diverged is None


def test_a_lane_drops_the_same_units_whoever_trains_beside_it(toy):
    """Also where the others ask for more padding, as rows in another order do."""
    rates = [(0.0, 0.0), (0.0, 0.15), (0.2, 0.0), (0.3, 0.45)]
    configs = [
        toy(hidden_dropout=hidden, attention_dropout=attention, seed=seed, fuse_trials=True)
        for seed, (hidden, attention) in enumerate(rates)
    ]
    together = in_lanes(configs)
    for config, said in zip(configs, together, strict=True):
        [alone] = in_lanes([config])
        for one, other in zip(said, alone, strict=True):
            assert one.metrics["train_loss"] == pytest.approx(other.metrics["train_loss"], abs=1e-5)
            assert one.metrics["loss"] == pytest.approx(other.metrics["loss"], abs=1e-5)
    assert together[3][0].metrics["train_loss"] != pytest.approx(
        in_lanes([replace(configs[3], hidden_dropout=0.0, attention_dropout=0.0)])[0][0].metrics["train_loss"], abs=1e-4
    ), "it does drop some"


def test_a_freed_lane_is_taken_by_a_waiting_run_and_nobody_else_notices(toy):
    configs = [toy(**COMPARABLE, seed=seed, learning_rate=5e-3, max_epochs=3) for seed in range(4)]
    packed = in_lanes(
        [replace(config, fuse_trials=True) for config in configs],
        at_once=2,
        each=lambda number, report: (number, report.epoch) != (0, 1.0),
    )
    assert [len(said) for said in packed] == [1, 3, 3, 3], "the first was stopped, all others ran"
    for config, said in zip(configs[1:], packed[1:], strict=True):
        assert_as_alone(config, said)


def test_models_of_other_shapes_train_in_stacks_of_their_own(toy):
    configs = [toy(**COMPARABLE, batch_size=size, lora_rank=rank) for size, rank in [(16, 0), (8, 0), (16, 2), (16, 0)]]
    lanes = [Lane(replace(config, fuse_trials=True)) for config in configs]
    assert [lane.shape == lanes[0].shape for lane in lanes] == [True, False, False, True]
    for config, said in zip(configs, in_lanes([replace(config, fuse_trials=True) for config in configs]), strict=True):
        assert_as_alone(config, said)


def test_lora_s_own_settings_stay_each_lane_s_own(toy):
    settings = [{"lora_alpha": 4.0}, {"lora_alpha": 64.0}, {"lora_alpha": 4.0, "lora_dropout": 0.2}]
    configs = [toy(**COMPARABLE, lora_rank=2, learning_rate=5e-3, **own) for own in settings]
    said = in_lanes([replace(config, fuse_trials=True) for config in configs])
    for config, of_one in zip(configs[:2], said, strict=False):
        assert_as_alone(config, of_one)
    [by_itself] = in_lanes([replace(configs[2], fuse_trials=True)])
    assert said[2][-1].metrics["loss"] == pytest.approx(by_itself[-1].metrics["loss"], abs=1e-5)
    assert said[2][-1].metrics["train_loss"] != pytest.approx(said[0][-1].metrics["train_loss"], abs=1e-5)


def test_early_stopping_goes_by_the_average_in_a_lane_too(toy):
    settings = [{"early_stopping_patience": 1, "ema_decay": 0.9, "learning_rate": rate} for rate in (1e-3, 2e-2)]
    configs = [toy(**COMPARABLE, max_epochs=5, **own) for own in settings]
    for config, said in zip(configs, in_lanes([replace(config, fuse_trials=True) for config in configs]), strict=True):
        assert_as_alone(config, said)


def test_a_lane_that_cannot_join_is_not_there_and_the_others_go_on(toy, monkeypatch):
    lanes, first, second = Lanes(), *(Lane(toy(**COMPARABLE, seed=seed, fuse_trials=True)) for seed in range(2))
    lanes.join(first)
    init = Stack.__init__

    def broken(self, models, seeds):
        if len(models) > 1:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        init(self, models, seeds)

    monkeypatch.setattr(Stack, "__init__", broken)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        lanes.join(second)
    assert lanes.there == [first]
    assert lanes.train([first])[first].metrics["loss"] > 0


def test_what_goes_wrong_in_one_shape_is_not_told_to_another(toy, monkeypatch):
    def failing(stack, runs, batches):
        if runs[0][0].config.batch_size == 8:
            raise RuntimeError("of the small batches")
        return take_steps(stack, runs, batches)

    monkeypatch.setattr("train_fn.fused.lanes.take_steps", failing)
    lanes, there = Lanes(), [Lane(toy(**COMPARABLE, batch_size=size, fuse_trials=True)) for size in (8, 16, 8)]
    for lane in there:
        lanes.join(lane)
    found = lanes.train(there)
    assert [isinstance(found[lane], RuntimeError) for lane in there] == [True, False, True]
    assert_as_alone(toy(**COMPARABLE, max_epochs=2), [found[there[1]], *lanes.train(there[1:2]).values()])


def test_a_lane_that_diverges_says_so_and_harms_no_other(toy):
    configs = [toy(**COMPARABLE, learning_rate=rate, max_grad_norm=None) for rate in (1e-3, 1e30)]
    well, ill = in_lanes([replace(config, fuse_trials=True) for config in configs])
    assert len(ill) == 1 and ill[0].diverged
    assert_as_alone(configs[0], well)


def test_a_checkpoint_goes_on_in_a_lane_or_alone_as_if_the_run_had_never_stopped(toy, tmp_path):
    config = toy(**COMPARABLE, max_epochs=3, ema_decay=0.9, schedule="cosine")
    fused = replace(config, fuse_trials=True)
    whole = list(fine_tune(config))
    other = Lane(toy(**COMPARABLE, seed=7, fuse_trials=True))
    for before, after in [(config, fused), (fused, config), (fused, fused)]:
        folder = tmp_path / f"{before.fuse_trials}-{after.fuse_trials}"
        folder.mkdir()
        next(epochs(before)).save(folder)
        if after.fuse_trials:  # beside one that is elsewhere in its epochs
            lane, lanes = Lane(after, folder), Lanes()
            lanes.join(other)
            lanes.join(lane)
            rest = [lanes.train([lane, other])[lane] for _ in range(2)]
        else:
            rest = list(epochs(after, folder))
        for one, expected in zip(rest, whole[1:], strict=True):
            assert one.epoch == expected.epoch
            assert one.metrics["loss"] == pytest.approx(expected.metrics["loss"], abs=1e-5)


def test_the_saved_model_is_the_lane_s_own(toy, tmp_path):
    saved = {}

    def save(number, report):
        folder = tmp_path / f"{number}-{report.epoch}"
        folder.mkdir()
        report.save(folder)
        saved[number] = load_file(folder / "model" / "model.safetensors")
        return True

    configs = [toy(**COMPARABLE, seed=seed) for seed in range(2)]
    in_lanes([replace(config, fuse_trials=True) for config in configs], each=save)
    for number, config in enumerate(configs):
        for report in fine_tune(config):
            folder = tmp_path / f"alone-{number}-{report.epoch}"
            folder.mkdir()
            report.save(folder)
        alone = load_file(folder / "model" / "model.safetensors")
        assert alone.keys() == saved[number].keys()
        for name, tensor in alone.items():
            torch.testing.assert_close(saved[number][name], tensor, atol=1e-5, rtol=0, msg=name)


def test_lanes_that_do_not_fit_take_their_step_again_in_smaller_parts(toy, monkeypatch):
    passes = []
    outputs = Stack.outputs

    def run_out(self, weights, buffers, inputs):
        passes.append(inputs["input_ids"].shape[1])
        if len(passes) == 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return outputs(self, weights, buffers, inputs)

    monkeypatch.setattr(Stack, "outputs", run_out)
    configs = [toy(**COMPARABLE, seed=seed) for seed in range(2)]
    said = in_lanes([replace(config, fuse_trials=True) for config in configs])
    assert passes[:5] == [16, 16, 16, 8, 8]
    for config, of_one in zip(configs, said, strict=True):
        assert [report.metrics["micro_batch_size"] for report in of_one] == [8, 8]
        assert of_one[-1].metrics["loss"] == pytest.approx(list(fine_tune(config))[-1].metrics["loss"], abs=1e-4)


def test_the_memory_of_lanes_that_have_left_is_given_back(toy):
    lanes, there = Lanes(), [Lane(toy(seed=seed, fuse_trials=True)) for seed in range(3)]
    for lane in there:
        lanes.join(lane)

    def held():
        return sum(
            weights.untyped_storage().nbytes()
            for _, stack in lanes.stacks.values()
            for weights in stack.weights.values()
        )

    lanes.train(there)
    of_three = held()
    for lane in there[1:]:
        lanes.leave(lane)
    lanes.train(there[:1])
    assert held() * 3 == of_three
    storage = {parameter.untyped_storage().data_ptr() for parameter in there[0].state.model.parameters()}
    assert storage == {
        weights.untyped_storage().data_ptr() for _, stack in lanes.stacks.values() for weights in stack.weights.values()
    }, "and the lane that is left holds on to nothing of the others'"


@pytest.mark.parametrize("name", IN_LANES)
@pytest.mark.parametrize("rate", [0.0, 0.3], ids=["no dropout", "dropout"])
def test_architectures_give_in_lanes_what_they_give_alone(name, rate):
    """Outputs and gradients; with dropout those of lanes alone."""
    fields = {
        field for ours, theirs in FIELDS[name].items() for field in theirs if rate == 0 or ours != NOT_KEYED.get(name)
    }
    models = [small_models.build(small_models.architecture(name, **dict.fromkeys(fields, rate))) for _ in range(3)]
    for seed, model in enumerate(models):
        random = torch.Generator().manual_seed(seed)
        for parameter in model.parameters():
            parameter.data += 0.02 * torch.randn(parameter.shape, generator=random)
    taken = small_models.inputs(models[0].config)
    if "attention_mask" in taken:
        taken["attention_mask"][1, 4:] = 0
    expected = []
    for model in models:
        model.train()
        if rate:
            lane = of_lanes(model, seeds=[1])
            expected.append(gradients(lane, taken))
        else:
            model(**taken).logits.logsumexp(-1).sum().backward()
            expected.append([parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None])
        model.zero_grad()
    found = gradients(of_lanes(*models, seeds=[1, 1, 1]), taken)
    for model_s, expected_ones in zip(models, expected, strict=True):
        own = [parameter.grad for parameter in model_s.parameters() if parameter.grad is not None]
        for one, other in zip(own, expected_ones, strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
    assert len(found) == len(expected[0]) * len(models)


NOT_KEYED = {"vit": "attention_dropout", "deit": "attention_dropout"}  # a number there, no module


def of_lanes(*models, seeds):
    for model in models:
        make_dropout_keyed(model)
        make_attention_of_lanes(model)
        model.train()
    return Stack(models, seeds)


def gradients(stack, taken):
    """Of all its lanes."""
    count = len(stack.seeds)
    leaves = stack.leaves(count)
    inputs = {name: torch.stack([tensor] * count) for name, tensor in taken.items()}
    stack.outputs(leaves, stack.drawn([0] * count, 0), inputs).logsumexp(-1).sum().backward()
    stack.hand_out(leaves)
    return [p.grad.clone() for same in stack.parameters.values() for p in same if p.grad is not None]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"num_processes": 2}, "`fuse_trials` must be false beside num_processes: 2, got true; leave one out"),
        ({"folds": 3}, "`fuse_trials` must be false beside data.folds: 3, got true; leave it out"),
    ],
)
def test_what_cannot_be_done_in_a_lane_is_refused(toy, settings, words):
    data = toy().data
    if "folds" in settings:
        settings = {"data": replace(data, folds=settings["folds"])}
    with pytest.raises(ValueError, match=words):
        replace(toy(), fuse_trials=True, **settings)


def test_a_model_that_lanes_do_not_know_is_refused_before_the_start(toy, tmp_path):
    small_models.build(small_models.architecture("t5")).save_pretrained(tmp_path)
    with pytest.raises(
        ValueError, match="`fuse_trials` must be false for a model of type t5, got true; leave it out, or"
    ):
        check(toy(model=str(tmp_path), fuse_trials=True))


def test_dropout_that_is_no_module_is_refused_in_lanes():
    model = small_models.build(small_models.architecture("vit", attention_probs_dropout_prob=0.2))
    with pytest.raises(
        ValueError, match="`attention_dropout` must be 0 beside fuse_trials for a model of type vit, got 0.2; set"
    ):
        make_attention_of_lanes(model)

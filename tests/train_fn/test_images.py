"""Fine-tuning on images, from files to a model that anybody can load."""

import copy
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch.nn import functional

from tests.train_fn.in_lanes import assert_as_alone, in_lanes
from tests.train_fn.test_resume import digests, each_step_leads_to_the_next
from train_fn import data, images, loop
from train_fn.config import ImageConfig
from train_fn.data import ImageDataConfig
from train_fn.errors import DataError
from train_fn.image_material import image_material
from train_fn.image_processor import image_processor, own_size
from train_fn.image_size import interpolated, resized
from train_fn.model import OF_IMAGES, saved_model
from train_fn.processes import fine_tune_together
from train_fn.tiny import tiny_vit

SIZE, LABELS = 12, ("bright", "left", "top")
AUGMENTED = {
    "flip": 0.3,
    "crop": 0.6,
    "rand_augment_layers": 2,
    "rand_augment_magnitude": 12.0,
    "mixup_alpha": 0.4,
    "cutmix_alpha": 1.0,
}


def shown(label, random):
    """Noise that is brighter on the left, at the top, or everywhere."""
    image = random.integers(0, 100, (SIZE, SIZE, 3))
    if label == "left":
        image[:, : SIZE // 2] += 90
    elif label == "top":
        image[: SIZE // 2] += 90
    else:
        image += 90
    return image.astype(numpy.uint8)


@pytest.fixture(scope="session")
def rows():
    random = numpy.random.default_rng(0)
    labels = [LABELS[index % 3] for index in range(120)]
    return numpy.stack([shown(label, random) for label in labels]), labels


@pytest.fixture(scope="session")
def as_array(rows, tmp_path_factory):
    """120 rows: 84 to train on, which no batch size here divides."""
    folder = tmp_path_factory.mktemp("array")
    numpy.savez(folder / "rows.npz", x=rows[0], y=numpy.array(rows[1]))
    return ImageDataConfig(file=str(folder / "rows.npz"), cache=str(folder / "cache"))


@pytest.fixture(scope="session")
def as_files(rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    for index, (image, label) in enumerate(zip(*rows, strict=True)):
        (folder / "all" / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / "all" / label / f"{index:03}.png")
    return ImageDataConfig(folder=str(folder / "all"), cache=str(folder / "cache"))


@pytest.fixture
def toy(as_array):
    def config(**settings):
        defaults = {"max_epochs": 2, "batch_size": 16, "learning_rate": 1e-3, "precision": "fp32", "data": as_array}
        return ImageConfig(**(defaults | settings))

    return config


@pytest.fixture
def folder_of(small_architecture, random_model, tmp_path):
    """A model of random weights as somebody else has saved it, with a processor of its own."""

    def save(name, **settings):
        folder = tmp_path / name
        random_model(small_architecture(name, **settings)).save_pretrained(folder)
        processor = {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4], "size": {"height": 8, "width": 8}}
        (folder / "preprocessor_config.json").write_text(json.dumps(processor))
        return str(folder)

    return save


def saved(report, folder):
    folder.mkdir()
    report.save(folder)
    return folder


def test_a_tiny_model_learns(toy):
    *_, last = images.train(toy(max_epochs=20, learning_rate=3e-3))
    assert last.metrics["accuracy"] > 0.9


def test_the_loss_curve_is_that_of_a_plain_pytorch_loop(toy):
    config = toy(batch_size=84, max_epochs=4, schedule="constant", weight_decay=0.0, max_grad_norm=None)
    curve = [report.metrics["train_loss"] for report in images.train(config)]
    examples, model = data.load(config.data).train, image_material(config, 0).model.train()
    pixels = (torch.from_numpy(numpy.array(examples.images)).permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0)
    expected = []
    for _ in range(4):
        loss = functional.cross_entropy(model(pixel_values=pixels).logits, torch.from_numpy(examples.targets))
        optimizer.zero_grad(), loss.backward(), optimizer.step()
        expected.append(loss.item())
    assert curve == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("micro_batch_size", [1, 5, 16])
def test_accumulated_micro_batches_equal_one_batch(toy, tmp_path, micro_batch_size):
    def weights(name, size):
        *_, report = images.epochs(toy(max_epochs=1, micro_batch_size=size, class_weights="balanced"))
        return load_file(saved(report, tmp_path / name) / "model" / "model.safetensors")

    whole, parts = weights("whole", None), weights("parts", micro_batch_size)
    for name, tensor in whole.items():
        torch.testing.assert_close(parts[name], tensor, atol=2e-5, rtol=0)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"hidden_dropout": 0.1, "micro_batch_size": 3, "r_drop": 0.5, "ema_decay": 0.9},
        {"precision": "bf16", "lora_rank": 2, "lora_targets": "all-linear"},
    ],
    ids=["plain", "rich", "lora"],
)
def test_from_each_of_sixty_augmented_steps_the_next_is_the_same(toy, tmp_path, settings):
    config = toy(batch_size=9, max_epochs=6, eval_steps=1, **AUGMENTED, **settings)
    each_step_leads_to_the_next(config, tmp_path)


def test_batch_norm_s_statistics_are_resumed_too(toy, folder_of, tmp_path):
    settings = {"batch_size": 9, "max_epochs": 6, "eval_steps": 1, "micro_batch_size": 4, "image_size": 32}
    config = toy(model=folder_of("resnet"), **settings, **AUGMENTED)
    each_step_leads_to_the_next(config, tmp_path)


@pytest.mark.parametrize("settings", [{}, AUGMENTED], ids=["plain", "augmented"])
def test_equal_configs_give_equal_reports_whatever_runs_in_between(toy, steady, settings):
    alone = [steady(report) for report in images.train(toy(**settings))]
    together = []
    for report in images.epochs(toy(**settings)):
        together.append(steady(report))
        torch.rand(7)
        images.train(toy(seed=5, max_epochs=1, **AUGMENTED))
    assert together == alone
    assert [steady(report) for report in images.train(toy(seed=1, **settings))] != alone


def test_the_caller_s_random_stream_is_left_alone(toy):
    before = copy.deepcopy(torch.get_rng_state())
    for _ in images.epochs(toy(**AUGMENTED)):
        assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("way", ["none", "files", "array", "chunks"])
@pytest.mark.parametrize("num_workers", [1, 3])
def test_neither_cache_nor_threads_change_a_report(toy, as_files, steady, way, num_workers):
    def reports(**settings):
        return [steady(report) for report in images.train(toy(data=as_files, image_size=10, **AUGMENTED, **settings))]

    assert reports(image_cache=way, num_workers=num_workers) == reports(image_cache="auto")


def test_every_augmentation_changes_what_is_learned_from_and_none_what_is_validated(toy):
    plain = image_material(toy(), 0)
    rows = numpy.arange(20)
    for name, value in AUGMENTED.items():
        if name == "rand_augment_magnitude":
            continue
        material = image_material(toy(**{name: value}), 0)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            inputs, targets = material.train.collate(rows)
        assert not torch.equal(inputs["pixel_values"], plain.train.collate(rows)[0]["pixel_values"]), name
        assert (targets.dim() == 2) == ("mix" in name)
        validated = material.valid.collate(rows[:10])[0]["pixel_values"]
        assert torch.equal(validated, plain.valid.collate(rows[:10])[0]["pixel_values"])


@pytest.mark.parametrize("model", ["tiny", "vit", "resnet"])
def test_a_pipeline_of_transformers_gives_our_predictions(toy, as_files, folder_of, tmp_path, model):
    from transformers import pipeline

    config = toy(data=as_files, model=model if model == "tiny" else folder_of(model), learning_rate=3e-3)
    *_, report = images.epochs(config)
    checkpoint = saved(report, tmp_path / "checkpoint")
    result = images.test(config, checkpoint)
    classify = pipeline("image-classification", str(checkpoint / "model"), top_k=1)
    theirs = [classify(str(path))[0]["label"] for path in data.open_test(config.data).images]
    assert theirs == [result.labels[class_id] for class_id in result.predictions]
    with torch.inference_mode():
        logits = (
            saved_model(checkpoint / "model", OF_IMAGES)
            .eval()(**image_material(config, 0).valid.collate(numpy.arange(18))[0])
            .logits
        )
    scores = [classify(str(path))[0]["score"] for path in data.load(config.data).valid.images]
    assert scores == pytest.approx(logits.softmax(dim=1).amax(dim=1).tolist(), abs=1e-5)


def test_the_sealed_test_is_scored_beside_a_tuned_classifier_on_pixels(toy, tmp_path):
    config = toy(max_epochs=20, learning_rate=3e-3)
    *_, report = images.epochs(config)
    result = images.test(config, saved(report, tmp_path / "checkpoint"))
    assert result.metrics["accuracy"] == numpy.mean(numpy.equal(result.targets, result.predictions)) > 0.8
    assert result.labels == LABELS and len(result.targets) == 18
    assert result.baseline["accuracy"] > 0.8 and result.baseline.keys() == {"accuracy", "f1_weighted", "f1_macro"}
    assert result.baseline_setting["classifier"] in ("RBF SVM", "LogisticRegression")


def test_a_model_is_given_what_its_own_processor_would_give(toy, folder_of):
    material = image_material(toy(model=folder_of("vit")), 0)
    values = material.train.collate(numpy.arange(2))[0]["pixel_values"]
    assert values.shape == (2, 3, 8, 8)
    raw = material.train.pixels.take(numpy.arange(2))[:, 3, 3, 1] / 255
    torch.testing.assert_close(values[:, 1, 3, 3], torch.from_numpy((raw - 0.5) / 0.3).float())


@pytest.mark.parametrize(
    ("described", "black", "white"),
    [
        ({}, -1.0, 1.0),
        ({"do_normalize": False, "image_mean": [0.4] * 3}, 0.0, 1.0),
        ({"do_normalize": False, "do_rescale": False}, 0.0, 255.0),
        ({"image_mean": [0.2] * 3, "image_std": [0.1] * 3}, -2.0, 8.0),
        ({"image_mean": [0.2] * 3, "image_std": [0.1] * 3, "include_top": True}, -20.0, 80.0),  # EfficientNet
    ],
)
def test_bytes_become_numbers_as_the_processor_says(tmp_path, described, black, white):
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(described))
    processor = image_processor(tmp_path, 4)
    for level, expected in ((0, black), (255, white)):
        values = processor(Image.new("RGB", (4, 4), (level,) * 3), return_tensors="pt")["pixel_values"]
        assert values.unique().tolist() == pytest.approx([expected], abs=1e-4)


def test_a_model_of_another_order_of_colours_is_refused(tmp_path):
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"do_flip_channel_order": True}))
    with pytest.raises(ValueError, match="`model` must take images in the order RGB, got one that takes BGR"):
        image_processor(tmp_path, 4)


@pytest.mark.parametrize(
    ("processor", "model", "size"),
    [
        ({"size": {"height": 8, "width": 8}}, {"image_size": 16}, 8),
        ({"size": {"shortest_edge": 9}, "do_center_crop": True, "crop_size": {"height": 7, "width": 7}}, {}, 7),
        ({"size": {"shortest_edge": 9}, "do_center_crop": False, "crop_size": {"height": 7, "width": 7}}, {}, 9),
        ({"size": 12}, {}, 12),
        ({}, {"image_size": [16, 24]}, 16),
        ({}, {}, None),
    ],
)
def test_a_model_s_own_size_is_found_where_its_family_keeps_it(tmp_path, processor, model, size):
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(processor))
    (tmp_path / "config.json").write_text(json.dumps(model))
    assert own_size(tmp_path) == size


@pytest.mark.parametrize("size", [8, 12, 28, 31, 48, 64, 224])
def test_a_tiny_model_cuts_an_image_into_some_dozens_of_patches_and_leaves_out_little(size):
    patch_size = tiny_vit(size).patch_size
    assert 16 <= (size // patch_size) ** 2 <= 64
    assert size % patch_size <= 2


def test_pixels_that_a_device_holds_are_those_that_are_read(toy, as_files):
    train = image_material(toy(data=as_files), 0).train.only(numpy.arange(84) % 3 > 0)
    held = replace(train, held=torch.from_numpy(train.pixels.take(train.places)))
    rows = numpy.array([5, 0, 55, 5])
    assert torch.equal(held.collate(rows)[0]["pixel_values"], train.collate(rows)[0]["pixel_values"])
    assert train.fits(4 * 56 * SIZE**2 * 3) and not train.fits(4 * 56 * SIZE**2 * 3 - 4)


def test_a_vit_sees_a_larger_image_by_interpolated_positions(toy, folder_of, tmp_path):
    *_, report = images.epochs(toy(model=folder_of("vit"), image_size=16, max_epochs=1))
    checkpoint = saved(report, tmp_path / "checkpoint")
    again = saved_model(checkpoint / "model", OF_IMAGES)
    assert again.config.image_size == 16 and again.vit.embeddings.position_embeddings.shape[1] == 1 + 16


def test_a_resized_model_says_what_transformers_says_with_interpolated_positions(small_architecture, random_model):
    model = random_model(small_architecture("vit")).eval()
    images = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = model(images, interpolate_pos_encoding=True).logits
        torch.testing.assert_close(resized(model, 16).eval()(images).logits, expected)


def test_positions_of_as_many_patches_stay_as_they_are():
    positions = torch.randn(1, 2 + 9, 4)
    torch.testing.assert_close(interpolated(positions, 2 + 9), positions)


def test_a_convolution_takes_any_size_as_it_is(small_architecture, random_model):
    model = random_model(small_architecture("resnet"))
    assert resized(model, 48) is model


SETTINGS = {
    "layer decay": {"layer_decay": 0.5},
    "a frozen body": {"freeze": "backbone"},
    "frozen blocks": {"freeze_blocks": 2},
    "gradual unfreezing": {"unfreeze_every": 0.5},
    "lora": {"lora_rank": 2, "lora_targets": "all-linear"},
    "focal": {"loss": "focal", "class_weights": "balanced", "label_smoothing": 0.1},
    "dropout": {"hidden_dropout": 0.1, "attention_dropout": 0.1},
    "sampling": {"sampling_power": 0.5},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_every_ingredient_works_on_images_and_mixed_targets(toy, folder_of, name):
    *_, last = images.train(toy(model=folder_of("vit"), **SETTINGS[name], **AUGMENTED))
    assert numpy.isfinite(last.metrics["loss"]) and numpy.isfinite(last.metrics["train_loss"])


def test_memory_that_runs_out_changes_no_plain_step(toy, as_files, tmp_path, monkeypatch):
    from train_fn import image_material as material_module

    def weights(name):
        *_, report = images.epochs(toy(data=as_files, image_cache="none", max_epochs=1))
        return load_file(saved(report, tmp_path / name) / "model" / "model.safetensors"), report.metrics

    whole, _ = weights("whole")
    build = material_module.new_image_model

    def tight(*arguments):
        model = build(*arguments)

        def run_out(module, given, kwargs):
            if len(kwargs["pixel_values"]) > 8 and module.training:
                raise torch.OutOfMemoryError("no room")

        model.register_forward_pre_hook(run_out, with_kwargs=True)
        return model

    monkeypatch.setattr(material_module, "new_image_model", tight)
    parts, metrics = weights("parts")
    assert metrics["micro_batch_size"] == 8
    for tensor, name in zip(whole.values(), whole, strict=True):
        torch.testing.assert_close(parts[name], tensor, atol=2e-5, rtol=0)


def test_folds_of_the_rows_validate_each_other(toy, as_array):
    config = toy(data=replace(as_array, folds=3), max_epochs=1)
    materials = [image_material(config, fold) for fold in range(3)]
    places = numpy.concatenate([material.valid.places for material in materials])
    assert sorted(places.tolist()) == list(range(len(places)))
    for material in materials:
        assert not set(material.train.places.tolist()) & set(material.valid.places.tolist())
        assert len(material.train.targets) == len(material.train.places) == len(material.train.lengths)
    [report] = images.train(config)
    assert "spread/accuracy" in report.metrics


def test_a_number_may_be_read_off_an_image(rows, toy, tmp_path):
    numpy.savez(tmp_path / "rows.npz", x=rows[0], y=rows[0].mean(axis=(1, 2, 3)))
    numbers = ImageDataConfig(file=str(tmp_path / "rows.npz"), task="regression", cache=str(tmp_path / "cache"))
    *_, last = images.train(toy(data=numbers, max_epochs=20, learning_rate=3e-3))
    assert last.metrics["r2"] > 0.5


def test_two_processes_train_as_one(toy, as_files, steady):
    # a larger epsilon, for AdamW turns a gradient of 1e-9 that should be 0 into a full step
    config = toy(data=as_files, image_cache="none", max_epochs=1, adam_epsilon=1e-4)
    alone = [steady(report) for report in images.train(config)]
    together = [steady(report) for report in fine_tune_together(replace(config, num_processes=2))]
    assert together[0]["loss"] == pytest.approx(alone[0]["loss"], abs=1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss_weighting": "tokens"}, "`loss_weighting` must be samples for images, which have no tokens, got tokens"),
        ({"crop": 0.0}, r"`crop` must be in \(0, 1\], got 0.0; try 1.0"),
        ({"rand_augment_magnitude": 31}, r"`rand_augment_magnitude` must be in \[0, 30\], got 31; try 9.0"),
        ({"num_workers": "many"}, "`num_workers` must be auto or a whole number >= 1, got 'many'; try auto"),
        ({"num_workers": 0}, "`num_workers` must be auto or a whole number >= 1, got 0"),
        (
            {"image_cache": "disk"},
            "`image_cache` must be one of auto, none, files, array, chunks, got 'disk'; try auto",
        ),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(toy, settings, message):
    with pytest.raises(ValueError, match=message):
        toy(**settings)


def test_preparing_finds_what_cannot_learn(toy):
    images.prepare(toy(lora_rank=2, lora_targets="all-linear"))
    with pytest.raises(ValueError, match="`lora_targets` must be all-linear or names out of"):
        images.prepare(toy(lora_rank=2, lora_targets="query_key"))


@pytest.mark.parametrize("name", ["mixup_alpha", "cutmix_alpha"])
def test_numbers_are_not_mixed(toy, as_array, name):
    with pytest.raises(ValueError, match=f"`{name}` must be 0 for regression, whose labels do not mix, got 0.5"):
        toy(data=replace(as_array, task="regression"), **{name: 0.5})


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        ("bert", {}, "`model` must be one that classifies images, got one of type bert"),
        ("beit", {"image_size": 16}, "`image_size` must be 8 for this model of type beit, got 16"),
        ("vit", {"classifier_dropout": 0.1}, "`classifier_dropout` must be None for a model of type vit"),
        ("vit", {"freeze_blocks": 9}, "`freeze_blocks` must be at most the model's 3 blocks, got 9"),
    ],
)
def test_what_the_model_cannot_do_is_told_before_training(toy, folder_of, model, settings, message):
    with pytest.raises(ValueError, match=message):
        images.prepare(toy(model=folder_of(model), **settings))


def test_a_model_that_does_not_tell_its_size_must_be_told(toy, folder_of):
    folder = folder_of("resnet")
    (Path(folder) / "preprocessor_config.json").unlink()
    with pytest.raises(ValueError, match="`image_size` must be given for a model that does not tell its own, got None"):
        images.prepare(toy(model=folder))
    images.prepare(toy(model=folder, image_size=32))


def test_preparing_decodes_so_that_no_trial_has_to(toy, as_files, monkeypatch):
    from train_fn import image_cache

    config = toy(data=replace(as_files, seed=7), image_size=9)
    prepared = images.prepare(config)
    monkeypatch.setattr(image_cache, "pixels", None)
    images.train(config)
    assert prepared.rows == {"train": 84, "valid": 18, "test": 18}


def test_an_image_that_went_missing_is_one_line(toy, as_files, tmp_path):
    shutil.copytree(as_files.folder, tmp_path / "all")
    config = toy(
        data=replace(as_files, folder=str(tmp_path / "all"), cache=str(tmp_path / "cache")), image_cache="none"
    )
    run = images.epochs(config)
    next(run)
    missing = data.load(config.data).train.images[3]
    missing.unlink()
    with pytest.raises(DataError, match=f"an image must be readable, got {missing}"):
        list(run)


def test_a_checkpoint_holds_no_more_than_anybody_needs(toy, tmp_path):
    [report] = loop.fine_tune(toy(max_epochs=1))
    files = set(digests(saved(report, tmp_path / "checkpoint")))
    assert {"model/config.json", "model/model.safetensors", "model/preprocessor_config.json", "state.json"} <= files


@pytest.mark.parametrize("augmented", [{}, AUGMENTED], ids=["plain", "augmented"])
def test_lanes_learn_images_as_alone(toy, augmented):
    configs = [
        toy(**augmented, adam_epsilon=1e-4, seed=seed, learning_rate=rate) for seed, rate in [(0, 1e-3), (1, 3e-3)]
    ]
    said = in_lanes([replace(config, fuse_trials=True) for config in configs])
    for config, of_one in zip(configs, said, strict=True):
        assert_as_alone(config, of_one, tolerance=1e-3)


def test_statistics_of_a_batch_are_refused_in_lanes(toy, folder_of):
    with pytest.raises(
        ValueError, match="`fuse_trials` must be false for a model of type resnet, got true; leave it out"
    ):
        images.check(toy(model=folder_of("resnet"), fuse_trials=True))

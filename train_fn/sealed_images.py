"""How a finished checkpoint does on the sealed test split of images."""

from pathlib import Path

import numpy
from transformers import ViTImageProcessorPil

from train_fn import data
from train_fn.config import ImageConfig
from train_fn.evaluation import evaluate
from train_fn.image_baseline import features, tuned_image_baseline
from train_fn.image_cache import decoder
from train_fn.image_material import image_rows, num_workers
from train_fn.metrics.classification import scores
from train_fn.model import OF_IMAGES, saved_model
from train_fn.precision import SAVED
from train_fn.read_ahead import ReadAhead
from train_fn.state import MODEL
from train_fn.text import TestResult
from train_fn.world import ALONE


def score(config: ImageConfig, checkpoint: Path) -> TestResult:
    """Images are read once and never kept; the checkpoint tells their size."""
    prepared = data.prepare(config.data)
    examples = data.open_test(config.data)

    device = ALONE.device
    model = saved_model(checkpoint / MODEL, OF_IMAGES).to(device)
    processor = ViTImageProcessorPil.from_pretrained(checkpoint / MODEL)
    size = processor.size["height"]
    pixels = ReadAhead(decoder(examples.images, size), num_workers(config))
    rows = image_rows(examples, pixels, processor=processor, size=size, num_classes=len(prepared.labels))
    evaluation = evaluate(model, rows.to(device), SAVED, task=prepared.task, labels=prepared.labels)
    baseline, setting = {}, {}
    if prepared.task == "classification":
        tuned = tuned_image_baseline(config.data, num_workers(config))
        guesses = tuned.predict(features(examples, numpy.arange(len(examples.targets)), num_workers(config)))
        baseline, setting = scores(examples.targets, guesses), dict(tuned.setting)
    return TestResult(
        metrics=evaluation.metrics,
        baseline=baseline,
        baseline_setting=setting,
        labels=prepared.labels if prepared.task == "classification" else (),
        targets=examples.targets.tolist(),
        predictions=evaluation.predictions.tolist(),
    )

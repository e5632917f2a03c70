"""How a finished checkpoint does on the sealed test split."""

from pathlib import Path

import numpy
import torch
from transformers import AutoTokenizer

from train_fn import data
from train_fn.config import TextConfig
from train_fn.linear_baseline import tuned_linear_baseline
from train_fn.metrics import evaluate, scores
from train_fn.model import build_classifier
from train_fn.precision import resolve
from train_fn.state import MODEL
from train_fn.text import TestResult
from train_fn.tokens import tokenize


def score(config: TextConfig, checkpoint: Path) -> TestResult:
    labels = data.prepare(config.data).labels
    examples = data.open_test(config.data)

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = build_classifier(config, labels, checkpoint / MODEL).to(device)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint / MODEL)
    tokens = tokenize(examples, tokenizer, config.max_length).to(device)
    metrics, predictions = evaluate(model, tokens, resolve(config.precision, device))

    baseline = tuned_linear_baseline(config.data)
    baseline_predictions = numpy.array([labels.index(label) for label in baseline.predict(examples.texts)])
    return TestResult(
        metrics=metrics,
        baseline=scores(examples.targets, baseline_predictions),
        baseline_setting=baseline.setting,
        labels=labels,
        targets=examples.targets.tolist(),
        predictions=predictions.tolist(),
    )

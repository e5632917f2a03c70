"""How a finished checkpoint does on the sealed test split."""

from pathlib import Path

import numpy
from transformers import AutoTokenizer

from train_fn import data
from train_fn.config import TextConfig
from train_fn.evaluation import evaluate
from train_fn.linear_baseline import tuned_linear_baseline, whole_texts
from train_fn.metrics.classification import scores
from train_fn.model import saved_model
from train_fn.precision import SAVED
from train_fn.state import MODEL
from train_fn.text import TestResult
from train_fn.tokenizing import tokenize
from train_fn.world import ALONE


def score(config: TextConfig, checkpoint: Path) -> TestResult:
    prepared = data.prepare(config.data)
    examples = data.open_test(config.data)

    device = ALONE.device
    model = saved_model(checkpoint / MODEL).to(device)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint / MODEL)
    tokens, _ = tokenize(examples, tokenizer, config.max_length)
    evaluation = evaluate(model, tokens.to(device), SAVED, task=prepared.task, labels=prepared.labels)
    if prepared.task != "classification":
        return TestResult(
            metrics=evaluation.metrics,
            baseline={},
            baseline_setting={},
            labels=(),
            targets=examples.targets.tolist(),
            predictions=evaluation.predictions.tolist(),
            groups=[] if examples.groups is None else examples.groups.tolist(),
        )
    baseline = tuned_linear_baseline(config.data)
    guesses = numpy.array([prepared.labels.index(label) for label in baseline.predict(whole_texts(examples))])
    return TestResult(
        metrics=evaluation.metrics,
        baseline=scores(examples.targets, guesses),
        baseline_setting=baseline.setting,
        labels=prepared.labels,
        targets=examples.targets.tolist(),
        predictions=evaluation.predictions.tolist(),
    )

"""Teacher and students: one round after the other, each a whole run."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy
import torch
from numpy.typing import NDArray

from train_fn.config import PseudoLabelConfig
from train_fn.evaluation import predict
from train_fn.loop import fine_tune, last_report
from train_fn.material import Inputs, Material
from train_fn.metrics import HIGHER_IS_BETTER
from train_fn.model import saved_model
from train_fn.precision import resolve
from train_fn.pseudo_selection import NO_LABEL, precision_of_confident, select
from train_fn.report import Report
from train_fn.setup import MakeMaterial
from train_fn.state import MODEL
from train_fn.text_material import text_material
from train_fn.token_cache import TokenSplits, tokenized_splits
from train_fn.world import ALONE

ROUND, LABELS = "round.json", "pseudo_labels.npy"

PseudoLabels = NDArray[numpy.int64]  # class id of each unlabelled row, or NO_LABEL


@dataclass(frozen=True, kw_only=True)
class Round:
    number: int = 0  # 0 is the teacher's
    over: bool = False  # its run is, and `labels` are for the next
    best: float | None = None  # value of the gain metric so far
    stopped: str | None = None  # why there is no further round


def run_rounds(config: PseudoLabelConfig, resume_from: Path | None) -> Iterator[Report]:
    now, labels = (Round(), None) if resume_from is None else read(resume_from)
    if now.over:
        now, resume_from = replace(now, number=now.number + 1, over=False), None
    while now.stopped is None:
        report = None
        for report in fine_tune(config, resume_from, material_with(labels)):
            yield in_round(report, now, labels, config)
            if report.diverged:
                return
        if report is None:
            assert resume_from is not None  # a run has an epoch at least
            report = last_report(config, resume_from, material_with(labels))
        now, labels, found = end_of_round(config, report, now)
        yield in_round(report, now, labels, config, found)
        now, resume_from = replace(now, number=now.number + 1, over=False), None


def material_with(labels: PseudoLabels | None) -> MakeMaterial:
    """The labelled rows and those that were given a label."""

    def make(config: PseudoLabelConfig) -> Material:
        material = text_material(config, 0)
        if labels is None:
            return material
        splits, rows = splits_of(config), numpy.flatnonzero(labels != NO_LABEL)
        assert splits.unlabelled is not None
        more = splits.unlabelled.take(rows).with_targets(torch.from_numpy(labels[rows]))
        train = replace(splits.train.joined(more), token_dropout=config.token_dropout)
        return replace(material, train=train)

    return make


def end_of_round(config: PseudoLabelConfig, report: Report, now: Round) -> tuple[Round, PseudoLabels, dict[str, Any]]:
    """Where the run stands now, the labels that are handed on, and what is worth knowing of them."""
    splits, device = splits_of(config), ALONE.device
    assert splits.unlabelled is not None and report.save is not None
    with tempfile.TemporaryDirectory() as folder:
        report.save(Path(folder))
        teacher = saved_model(Path(folder) / MODEL).to(device)

    def probabilities(inputs: Inputs) -> NDArray[numpy.floating]:
        logits = predict(teacher, inputs.to(device), resolve(config.precision, device))
        return logits.softmax(dim=1).numpy(force=True)

    targets = splits.valid.targets.numpy()
    precision = precision_of_confident(probabilities(splits.valid), targets, config.confidence)
    labelled = numpy.bincount(splits.train.targets.numpy(), minlength=len(splits.labels))
    labels = select(
        probabilities(splits.unlabelled), labelled, confidence=config.confidence, class_cap=config.class_cap
    )
    value = report.metrics[config.gain_metric]
    stopped = why_stop(config, now, value, precision, rows=int((labels != NO_LABEL).sum()))
    if stopped is not None:
        labels = numpy.full_like(labels, NO_LABEL)
    counts = numpy.bincount(labels[labels != NO_LABEL], minlength=len(splits.labels)).tolist()
    found = {"precision": precision, "rows_by_class": dict(zip(splits.labels, counts, strict=True)), "stopped": stopped}
    best = value if now.best is None or gains(config, value, now.best) else now.best
    return replace(now, over=True, best=best, stopped=stopped), labels, found


def why_stop(config: PseudoLabelConfig, now: Round, value: float, precision: float, rows: int) -> str | None:
    if now.best is not None and not gains(config, value, now.best):
        return f"round {now.number} gains nothing: {config.gain_metric} {value:.4f} after {now.best:.4f}"
    if now.number == config.rounds:
        return f"all {config.rounds} rounds are done"
    if precision < config.min_precision:
        return (
            f"the teacher of round {now.number} is right in {precision:.0%} of its confident answers on valid, "
            f"less than min_precision {config.min_precision:.0%}"
        )
    if rows == 0:
        return f"the teacher of round {now.number} is sure of no unlabelled row"
    return None


def gains(config: PseudoLabelConfig, value: float, best: float) -> bool:
    return value > best if HIGHER_IS_BETTER["classification"][config.gain_metric] else value < best


def in_round(
    report: Report,
    now: Round,
    labels: PseudoLabels | None,
    config: PseudoLabelConfig,
    found: Mapping[str, Any] | None = None,
) -> Report:
    """A report of one run as a report of all; `found` comes with the last one of a round."""
    save = report.save

    def save_round(folder: Path) -> None:
        assert save is not None
        save(folder)
        (folder / ROUND).write_text(json.dumps(asdict(now)) + "\n", encoding="utf-8")
        if labels is not None:
            numpy.save(folder / LABELS, labels, allow_pickle=False)

    metrics = {**report.metrics, "pseudo/round": float(now.number)}
    if found is not None:
        metrics |= {"pseudo/rows": float(sum(found["rows_by_class"].values())), "pseudo/precision": found["precision"]}
    return replace(
        report,
        epoch=now.number * config.max_epochs + report.epoch,
        metrics=metrics if report.diverged is None else {},
        save=None if save is None else save_round,
        snapshot=None,
        details=report.details if found is None else {**report.details, "pseudo_labels": dict(found)},
    )


def read(checkpoint: Path) -> tuple[Round, PseudoLabels | None]:
    now = Round(**json.loads((checkpoint / ROUND).read_text(encoding="utf-8")))
    labels = checkpoint / LABELS
    return now, numpy.load(labels, allow_pickle=False) if labels.is_file() else None


def splits_of(config: PseudoLabelConfig) -> TokenSplits:
    return tokenized_splits(config.data, config.model, config.max_length)

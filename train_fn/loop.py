"""The training loop."""

import math
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedModel

from train_fn.batches import collate, cut, training_batches
from train_fn.config import TextConfig
from train_fn.layer_decay import parameter_groups
from train_fn.losses import cross_entropy
from train_fn.metrics import evaluate
from train_fn.model import build_classifier
from train_fn.optimizers import adamw
from train_fn.precision import autocast, gradient_scaler, resolve
from train_fn.report import Report
from train_fn.schedules import schedule
from train_fn.seeding import torch_stream
from train_fn.state import MODEL, load_state, save_state
from train_fn.tokens import Tokens, tokenized_splits


def fine_tune(config: TextConfig, resume_from: Path | None = None) -> Iterator[Report]:
    """Train, evaluate and report, epoch by epoch."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    precision = resolve(config.precision, device)
    splits = tokenized_splits(config.data, config.model, config.max_length)
    train_tokens, valid_tokens = splits.train.to(device), splits.valid.to(device)

    model = build_classifier(config, splits.labels, resume_from and resume_from / MODEL).to(device)
    groups = parameter_groups(
        model,
        learning_rate=config.learning_rate,
        layer_decay=config.layer_decay,
        head_learning_rate_multiplier=config.head_learning_rate_multiplier,
        weight_decay=config.weight_decay,
    )
    optimizer = adamw(groups, config)
    scaler = gradient_scaler(precision, device)
    num_epochs_done = load_state(resume_from, model=model, optimizer=optimizer, scaler=scaler) if resume_from else 0
    num_epoch_steps = math.ceil(len(train_tokens.lengths) / config.batch_size)
    factor = schedule(config.schedule, num_epoch_steps * config.max_epochs, config.warmup_ratio)

    for epoch in range(num_epochs_done + 1, config.max_epochs + 1):
        began = time.perf_counter()
        factors = [factor(step) for step in range((epoch - 1) * num_epoch_steps, epoch * num_epoch_steps)]
        with torch_stream(config.seed, "dropout", epoch):
            metrics = train_epoch(epoch, factors, model, train_tokens, optimizer, scaler, precision, config)
        trained = time.perf_counter()
        metrics |= evaluate(model, valid_tokens, precision)[0]
        metrics |= {
            "learning_rate": config.learning_rate * factors[-1],
            "speed/tokens_per_second": float(train_tokens.lengths.sum()) / (trained - began),
            "time/epoch_seconds": time.perf_counter() - began,
        }
        if reason := divergence(metrics, epoch):
            finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
            yield Report(epoch=epoch, metrics=finite, diverged=reason)
            return
        save = partial(
            save_state, epoch=epoch, model=model, tokenizer=splits.tokenizer, optimizer=optimizer, scaler=scaler
        )
        yield Report(epoch=epoch, metrics=metrics, save=save)


def train_epoch(
    epoch: int,
    factors: list[float],
    model: PreTrainedModel,
    tokens: Tokens,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    precision: str,
    config: TextConfig,
) -> dict[str, float]:
    """One pass over the rows; nothing in it waits for the device before the last line."""
    model.train()
    losses, norms = [], []
    batches = training_batches(tokens.lengths, config.batch_size, config.seed, epoch)
    for rows, factor in zip(batches, factors, strict=True):
        for micro_rows in cut(rows, config.micro_batch_size or config.batch_size):
            inputs, targets = collate(tokens, micro_rows)
            with autocast(precision, targets.device):
                logits = model(**inputs).logits
            loss = cross_entropy(logits, targets, config.label_smoothing)
            # over the rows of the whole batch: parts of unequal size must add up to its mean
            scaler.scale(loss / len(rows)).backward()
            losses.append(loss.detach())
        scaler.unscale_(optimizer)  # before clipping, which would otherwise see the scaler's factor
        norms.append(nn.utils.clip_grad_norm_(model.parameters(), config.max_grad_norm or math.inf))
        for group in optimizer.param_groups:
            group["lr"] = group["peak_lr"] * factor
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
    return {
        "train_loss": torch.stack(losses).sum().item() / len(tokens.lengths),
        "grad_norm": mean_of_finite(torch.stack(norms)),
    }


def mean_of_finite(norms: torch.Tensor) -> float:
    """fp16 skips the steps whose gradients overflow; in other precisions such a step shows in the next loss."""
    return norms[norms.isfinite()].mean().item()


def divergence(metrics: dict[str, float], epoch: int) -> str | None:
    for name, words in {"train_loss": "training loss", "grad_norm": "gradient norm", "loss": "valid loss"}.items():
        if not math.isfinite(metrics[name]):
            return f"{words} is {metrics[name]} in epoch {epoch}"
    return None

"""A run made so short that it tells within seconds whether a setting changes anything."""

from dataclasses import replace
from typing import TypeVar

from train_fn.config import ImageConfig, TextConfig

# the settings that a run's memory depends on; all others are left alone where it is measured
MEMORY = (
    "model",
    "hidden_dropout",
    "attention_dropout",
    "classifier_dropout",
    "freeze",
    "freeze_blocks",
    "unfreeze_every",
    "lora_rank",
    "lora_dropout",
    "lora_targets",
    "batch_size",
    "micro_batch_size",
    "early_stopping_patience",
    "optimizer",
    "amsgrad",
    "momentum",
    "r_drop",
    "ema_decay",
    "swa_start",
    "precision",
    "max_length",
    "image_size",
    "image_cache",
    "num_workers",
    "mixup_alpha",
    "cutmix_alpha",
)

ROWS = 500  # of train, and of valid

Config = TypeVar("Config", TextConfig, ImageConfig)


def probe(config: Config) -> Config:
    """The same on few rows, with the first report after two steps; its schedule still ends where it did."""
    data = config.data
    train, valid = (min(rows or ROWS, ROWS) for rows in (data.max_train_rows, data.max_valid_rows))
    return replace(config, data=replace(data, max_train_rows=train, max_valid_rows=valid), eval_steps=2)

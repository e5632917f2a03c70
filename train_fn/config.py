"""Which settings a fine-tuning run has, and which values they may take."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from math import inf
from typing import Any, Literal, get_args

from train_fn.data import DataConfig

ScheduleName = Literal["constant", "linear", "cosine", "wsd"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """Everything that one fine-tuning run of a text classifier depends on."""

    data: DataConfig  # what to learn from, and how it is split

    model: str = "minilm"  # "minilm", "tiny", a folder written by save_pretrained, or a hub name
    max_length: int = 128  # tokens kept of each text
    hidden_dropout: float | None = None  # after embeddings and sub-layers; None = the model's own
    attention_dropout: float | None = None  # on attention weights; None = the model's own
    classifier_dropout: float | None = None  # before the classification head; None = the model's own

    max_epochs: int = 3  # passes over the training rows; the schedule ends here even if the run is stopped sooner
    batch_size: int = 32  # rows per optimizer step
    micro_batch_size: int | None = None  # rows per forward pass, for want of memory; None = batch_size

    learning_rate: float = 5e-5  # peak rate of the pooler and the head, and of every block where layer_decay is 1
    layer_decay: float = 1.0  # each block's rate over that of the one above; 1 = the same everywhere
    head_learning_rate_multiplier: float = 1.0  # the new head's rate over learning_rate
    schedule: ScheduleName = "linear"  # how the rate moves after warm-up
    warmup_ratio: float = 0.0  # share of all steps over which the rate rises from 0

    weight_decay: float = 0.01  # decoupled, as in AdamW; never on biases and norms
    adam_beta1: float = 0.9  # memory of the gradient's mean
    adam_beta2: float = 0.999  # memory of the gradient's square
    adam_epsilon: float = 1e-8  # added to the root of the square
    max_grad_norm: float | None = 1.0  # L2 norm over all gradients above which they are scaled down; None = never
    label_smoothing: float = 0.0  # share of the target spread evenly over all classes

    precision: Precision = "auto"  # of the forward pass; the weights stay fp32. auto = the fastest that the device has
    seed: int = 0  # of new weights, the order of rows and dropout; apart from the data's seed

    def __post_init__(self) -> None:
        for field in fields(self):
            rule, holds = RULES[field.name]
            value = getattr(self, field.name)
            if not holds(value):
                raise ValueError(f"`{field.name}` must be {rule}, got {value!r}; try {EXAMPLES[field.name]}")
        if self.micro_batch_size is not None and self.micro_batch_size > self.batch_size:
            raise ValueError(
                f"`micro_batch_size` must be at most batch_size ({self.batch_size}), got {self.micro_batch_size}; "
                f"try {self.batch_size}"
            )


def is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    # YAML 1.1 reads 5e-5 as text, and `"5e-5" > 0` would raise a TypeError that names no field
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_dropout(value: Any) -> bool:
    return value is None or (is_number(value) and 0 <= value < 1)


# field: (rule in words, the same rule in code); NaN fails every comparison and so every rule
RULES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "data": ("a DataConfig", lambda value: isinstance(value, DataConfig)),
    "model": ('"minilm", "tiny", a folder or a hub name', lambda value: isinstance(value, str) and value != ""),
    "max_length": ("a whole number >= 8", lambda value: is_int(value) and value >= 8),
    "hidden_dropout": ("in [0, 1) or None", is_dropout),
    "attention_dropout": ("in [0, 1) or None", is_dropout),
    "classifier_dropout": ("in [0, 1) or None", is_dropout),
    "max_epochs": ("a whole number >= 1", lambda value: is_int(value) and value >= 1),
    "batch_size": ("a whole number >= 1", lambda value: is_int(value) and value >= 1),
    "micro_batch_size": (
        "a whole number >= 1 or None",
        lambda value: value is None or (is_int(value) and value >= 1),
    ),
    "learning_rate": ("a number > 0", lambda value: is_number(value) and 0 < value < inf),
    "layer_decay": ("in (0, 1]", lambda value: is_number(value) and 0 < value <= 1),
    "head_learning_rate_multiplier": ("a number > 0", lambda value: is_number(value) and 0 < value < inf),
    "schedule": (f"one of {', '.join(get_args(ScheduleName))}", lambda value: value in get_args(ScheduleName)),
    "warmup_ratio": ("in [0, 1]", lambda value: is_number(value) and 0 <= value <= 1),
    "weight_decay": ("a number >= 0", lambda value: is_number(value) and 0 <= value < inf),
    "adam_beta1": ("in [0, 1)", lambda value: is_number(value) and 0 <= value < 1),
    "adam_beta2": ("in [0, 1)", lambda value: is_number(value) and 0 <= value < 1),
    "adam_epsilon": ("a number > 0", lambda value: is_number(value) and 0 < value < inf),
    "max_grad_norm": (
        "a number > 0 or None",
        lambda value: value is None or (is_number(value) and 0 < value < inf),
    ),
    "label_smoothing": ("in [0, 1)", lambda value: is_number(value) and 0 <= value < 1),
    "precision": (f"one of {', '.join(get_args(Precision))}", lambda value: value in get_args(Precision)),
    "seed": ("a whole number in [0, 2**63)", lambda value: is_int(value) and 0 <= value < 2**63),
}

# the way out: a value that is allowed and sensible
EXAMPLES: Mapping[str, Any] = {
    **{field.name: field.default for field in fields(TextConfig)},
    "data": "DataConfig(source='docstrings')",
    "micro_batch_size": 8,
}

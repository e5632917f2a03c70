"""Which settings a fine-tuning run has, and which values they may take."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from train_fn.data import ImageDataConfig, TextDataConfig
from train_fn.metrics import HIGHER_IS_BETTER
from train_fn.values import (
    AboveOne,
    AboveZero,
    BelowOne,
    Between,
    Count,
    CountOrAuto,
    CountOrZero,
    Dropout,
    Epochs,
    Epsilon,
    Flag,
    Fraction,
    Length,
    Magnitude,
    Name,
    NotNegative,
    Positive,
    Seed,
    check_values,
)

Freeze = Literal["nothing", "embeddings", "backbone"]
OptimizerName = Literal["adamw", "adafactor", "radam", "sgd"]
ScheduleName = Literal["constant", "linear", "cosine", "cosine_restarts", "step", "plateau", "one_cycle", "wsd"]
LossName = Literal["auto", "cross_entropy", "focal", "mse", "mae", "huber", "pairwise", "listwise", "bce"]
ClassWeights = Literal["none", "balanced", "effective_number"]
LossWeighting = Literal["samples", "tokens"]
Precision = Literal["auto", "fp32", "tf32", "bf16", "fp16"]
Sharding = Literal["none", "full"]
ImageCache = Literal["auto", "none", "files", "array", "chunks"]


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """What the fine-tuning of any model on any data depends on; off or neutral unless set."""

    # The model
    model: Name = "minilm"  # "minilm", "tiny", a folder written by save_pretrained, or a hub name
    replace_head: Flag = False  # draw a new head even where the model brings one that fits
    hidden_dropout: Dropout | None = None  # after embeddings and sub-layers; None = the model's own
    attention_dropout: Dropout | None = None  # on attention weights; None = the model's own
    classifier_dropout: Dropout | None = None  # before the head; None = the model's own, in BERT the hidden one

    # Which weights learn
    freeze: Freeze = "nothing"  # what never learns; backbone = all but the head
    freeze_blocks: CountOrZero = 0  # the first blocks that never learn, and the embeddings below them
    unfreeze_every: Epochs | None = None  # epochs after which one more block, from the top down, begins to learn
    lora_rank: CountOrZero = 0  # rank of the update that is learned instead of the matrices themselves; 0 = no LoRA
    lora_alpha: Positive = 16.0  # the update counts alpha / rank
    lora_dropout: Dropout = 0.0  # on what enters the update
    lora_targets: Name = "default"  # "default" of the architecture, "all-linear", or module names: "query,value"

    # How long and how often
    max_epochs: Count = 3  # passes over the training rows; the schedule ends here even if the run is stopped sooner
    batch_size: Count = 32  # rows per optimizer step
    micro_batch_size: Count | None = None  # rows per forward pass (twice under r_drop); None = batch_size
    eval_epochs: Epochs = 1.0  # epochs from one evaluation and report to the next; 0.25 = four in each epoch
    eval_steps: Count | None = None  # the same in optimizer steps; None = as eval_epochs says
    early_stopping_patience: Count | None = None  # evaluations without gain after which the run ends; None = never
    early_stopping_min_gain: NotNegative = 0.0  # a smaller gain counts as none
    early_stopping_metric: Name = "loss"  # of validation; falls or rises as its kind does

    # The optimizer
    optimizer: OptimizerName = "adamw"
    learning_rate: Positive = 5e-5  # peak rate of the pooler and the head, and of every block where layer_decay is 1
    layer_decay: AboveZero = 1.0  # each block's rate over that of the one above; 1 = the same everywhere
    head_learning_rate_multiplier: Positive = 1.0  # the head's rate over learning_rate
    weight_decay: NotNegative = 0.01  # decoupled, as in AdamW; never on biases and norms
    adam_beta1: BelowOne = 0.9  # memory of the gradient's mean
    adam_beta2: BelowOne = 0.999  # memory of the gradient's square
    adam_epsilon: Epsilon = 1e-8  # added to the root of the square
    amsgrad: Flag = False  # AdamW divides by the largest square so far
    momentum: BelowOne = 0.9  # of SGD
    nesterov: Flag = False  # SGD looks ahead along its momentum
    max_grad_norm: Positive | None = 1.0  # L2 norm over all gradients above which they are scaled down; None = never

    # The schedule: how the learning rate moves
    schedule: ScheduleName = "linear"
    warmup_ratio: Fraction = 0.0  # share of all steps over which the rate rises from 0
    warmup_steps: Count | None = None  # the same in steps; None = as warmup_ratio says
    min_learning_rate_ratio: BelowOne = 0.0  # of the peak, below which no schedule goes after warm-up
    cosine_cycles: Count = 3  # of cosine_restarts
    step_epochs: Epochs = 1.0  # epochs from one drop of `step` to the next
    step_factor: Between = 0.1  # what `step` multiplies the rate by, so far as it is above the floor
    plateau_patience: CountOrZero = 1  # evaluations without gain in valid loss that `plateau` waits for
    plateau_factor: Between = 0.5  # the same of `plateau`
    cooldown_ratio: AboveZero = 0.2  # share of the steps after warm-up over which `wsd` falls

    # What is made small
    loss: LossName = "auto"  # auto = cross_entropy, bce, mse or listwise, as the task is
    label_smoothing: BelowOne = 0.0  # share of the target spread evenly over all classes
    focal_gamma: NotNegative = 2.0  # how much focal turns from easy rows to hard ones; 0 = cross-entropy
    huber_delta: Positive = 1.0  # error up to which huber is a square, in deviations of the labels (ranking: grades)
    class_weights: ClassWeights = "none"  # of a row's loss by its class
    effective_number_beta: Between = 0.999  # near 1 the weights near `balanced`
    loss_weighting: LossWeighting = "samples"  # each row counts once, or once for each of its tokens
    sampling_power: Fraction = (
        1.0  # a class is drawn as its rows to this power; 1 = every row once an epoch, 0 = evenly
    )
    r_drop: NotNegative = 0.0  # weight of the divergence of two passes to their mean loss; 0 = one pass
    spike_factor: AboveOne | None = 3.0  # training loss over its best that counts as divergence; None = only non-finite

    # Averaged weights, which are evaluated and saved in place of the last ones
    ema_decay: Between | None = None  # exponential moving average over steps; None = none
    swa_start: BelowOne | None = None  # share of the run after which the weights at evaluations are averaged; None = no

    # The machine
    precision: Precision = "auto"  # of the forward pass; the weights stay fp32. auto = the fastest that the device has
    num_processes: Count = 1  # which share each batch, one per GPU
    sharding: Sharding = "none"  # full = the processes also share weights and optimizer, for want of memory
    fuse_trials: Flag = False  # trials of the same shape on one device take their steps as one computation
    histograms: Flag = False  # of weights, the last ones and no average, and gradients, with each report
    per_class_metrics: Flag = False  # also report precision, recall and F1 of each class as a metric of its own
    seed: Seed = 0  # of new weights, the order of rows and dropout; apart from the data's seed

    def __post_init__(self) -> None:
        check_values(self)
        if self.micro_batch_size is not None and self.micro_batch_size > self.batch_size:
            raise ValueError(
                f"`micro_batch_size` must be at most batch_size ({self.batch_size}), got {self.micro_batch_size}; "
                f"try {self.batch_size}"
            )
        if self.warmup_steps is not None and self.warmup_ratio > 0:
            raise ValueError(
                f"`warmup_steps` must be None beside `warmup_ratio` ({self.warmup_ratio}), got {self.warmup_steps}; "
                "give one of the two"
            )
        if self.nesterov and self.momentum == 0:
            raise ValueError("`nesterov` must be false where `momentum` is 0, got true; try momentum 0.9")
        if self.freeze != "nothing" and self.lora_rank > 0:
            raise ValueError(
                f"`freeze` must be nothing beside `lora_rank`, which freezes the backbone, got {self.freeze}; "
                "leave it out"
            )
        if self.replace_head and self.model == "tiny":
            raise ValueError("`replace_head` must be false for tiny, whose head is always new, got true; leave it out")
        if self.unfreeze_every is not None and (self.freeze == "backbone" or self.lora_rank > 0):
            beside = "freeze: backbone" if self.freeze == "backbone" else f"lora_rank: {self.lora_rank}"
            raise ValueError(
                f"`unfreeze_every` must be None beside {beside}, got {self.unfreeze_every}; leave one of them out"
            )
        if self.ema_decay is not None and self.swa_start is not None:
            raise ValueError(
                f"`swa_start` must be None beside `ema_decay` ({self.ema_decay}), got {self.swa_start}; "
                "choose one average"
            )
        if self.fuse_trials and self.num_processes > 1:
            raise ValueError(
                f"`fuse_trials` must be false beside num_processes: {self.num_processes}, got true; leave one out"
            )
        if self.sharding == "full" and self.num_processes == 1:
            raise ValueError("`sharding` must be none for one process, got full; try num_processes 2")
        if self.sharding == "full":
            for name, neutral in NOT_SHARDED.items():
                if getattr(self, name) != neutral:
                    raise ValueError(
                        f"`{name}` must be {neutral} beside sharding: full, got {getattr(self, name)}; leave it out"
                    )


# what keeps copies of weights aside, or looks at all of one tensor
NOT_SHARDED = {
    "lora_rank": 0,
    "ema_decay": None,
    "swa_start": None,
    "early_stopping_patience": None,
    "histograms": False,
}


@dataclass(frozen=True, kw_only=True)
class TextConfig(TrainingConfig):
    """Everything that one fine-tuning run on texts depends on."""

    data: TextDataConfig  # what to learn from, and how it is split
    max_length: Length = 128  # tokens kept of each text
    token_dropout: BelowOne = 0.0  # probability that a token of a training text is hidden: [MASK] stands for it

    def __post_init__(self) -> None:
        super().__post_init__()
        check_task(self, self.data.task)
        check_folds(self, self.data.folds)


@dataclass(frozen=True, kw_only=True)
class PseudoLabelConfig(TextConfig):
    """A teacher that learns from labelled texts, and students that learn from what it says of others, too."""

    rounds: Count = 3  # students at most, each trained anew
    confidence: Between = 0.9  # probability of a class from which on an unlabelled row is given that label
    class_cap: Positive = 10.0  # rows that a class may gain, for each labelled row of it: the most confident ones
    min_precision: Fraction = 0.8  # right ones of the confident answers on valid, below which a teacher is not believed
    gain_metric: Name = "f1_macro"  # of validation: the first student that does not gain in it is the last

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.data.task != "classification":
            raise ValueError(f"`task` must be classification for pseudo-labels, got {self.data.task}")
        if self.data.unlabelled is None and self.data.labelled_fraction == 1:
            raise ValueError("`unlabelled` must name a file for pseudo-labels, got None; or try labelled_fraction 0.1")
        if self.gain_metric not in HIGHER_IS_BETTER["classification"]:
            names = HIGHER_IS_BETTER["classification"]
            way_out = nearest(self.gain_metric, names, "f1_macro")
            raise ValueError(
                f"`gain_metric` must be one of {', '.join(names)}, got {self.gain_metric!r}; try {way_out}"
            )
        if self.data.folds > 1 or self.num_processes > 1:
            name = "folds" if self.data.folds > 1 else "num_processes"
            raise ValueError(
                f"`{name}` must be 1 for pseudo-labels, whose valid split and model stay one; leave it out"
            )
        if self.fuse_trials:
            raise ValueError("`fuse_trials` must be false for pseudo-labels, got true; leave it out")


@dataclass(frozen=True, kw_only=True)
class ImageConfig(TrainingConfig):
    """Everything that one fine-tuning run on images depends on."""

    data: ImageDataConfig  # what to learn from, and how it is split
    model: Name = "tiny"  # "tiny", a folder written by save_pretrained, or a hub name
    image_size: Length | None = None  # pixels of each side, as the model sees them; None = its own, of tiny the data's
    image_cache: ImageCache = "auto"  # where decoded images wait: nowhere, in a file each, in one array, in arrays
    num_workers: CountOrAuto = "auto"  # threads that decode images ahead; auto = as many as compute

    # Augmentation, of training images alone
    flip: Fraction = 0.0  # probability of a horizontal mirror
    crop: AboveZero = 1.0  # smallest share of the area that a random resized crop keeps; 1 = no crop
    rand_augment_layers: CountOrZero = 0  # random operations that each image goes through; 0 = no RandAugment
    rand_augment_magnitude: Magnitude = 9.0  # how strong they are, of 30
    mixup_alpha: NotNegative = 0.0  # images are blended by a share drawn from Beta(alpha, alpha); 0 = no mixup
    cutmix_alpha: NotNegative = 0.0  # the same by a box of one pasted into another; 0 = no CutMix

    def __post_init__(self) -> None:
        super().__post_init__()
        check_task(self, self.data.task)
        check_folds(self, self.data.folds)
        if self.loss_weighting != "samples":
            raise ValueError(
                f"`loss_weighting` must be samples for images, which have no tokens, got {self.loss_weighting}; "
                "leave it out"
            )
        for name in ("mixup_alpha", "cutmix_alpha"):
            value = getattr(self, name)
            if value > 0 and self.data.task == "regression":
                raise ValueError(
                    f"`{name}` must be 0 for regression, whose labels do not mix, got {value}; leave it out"
                )


# losses that fit a task; the first is what `auto` means
LOSSES_OF_TASK: dict[str, tuple[LossName, ...]] = {
    "classification": ("cross_entropy", "focal"),
    "multi_label": ("bce",),
    "regression": ("mse", "mae", "huber"),
    "ranking": ("listwise", "pairwise", "mse", "mae", "huber"),
}

# settings that only one class for each row gives a sense to, and their neutral value
ONLY_FOR_CLASSES = {"label_smoothing": 0.0, "class_weights": "none", "sampling_power": 1.0, "per_class_metrics": False}


def check_task(config: TrainingConfig, task: str) -> None:
    """Raise a ValueError for a setting that has no meaning for the task."""
    fitting = LOSSES_OF_TASK[task]
    if config.loss not in ("auto", *fitting):
        raise ValueError(f"`loss` must be one of {', '.join(fitting)} for {task}, got {config.loss}; try {fitting[0]}")
    if config.loss_weighting != "samples" and task == "ranking":
        raise ValueError(
            f"`loss_weighting` must be samples for ranking, where each query counts once, got {config.loss_weighting}; "
            "leave it out"
        )
    metrics = HIGHER_IS_BETTER[task]
    if config.early_stopping_metric not in metrics:
        raise ValueError(
            f"`early_stopping_metric` must be one of {', '.join(metrics)}, "
            f"got {config.early_stopping_metric!r}; try {nearest(config.early_stopping_metric, metrics, 'loss')}"
        )
    if task == "classification":
        return
    for name, neutral in ONLY_FOR_CLASSES.items():
        value = getattr(config, name)
        if value != neutral:
            reason = "where a row may have several" if task == "multi_label" else "which has no classes"
            raise ValueError(f"`{name}` must be {neutral} for {task}, {reason}, got {value}; leave it out")
    if config.r_drop > 0 and task in ("ranking", "multi_label"):
        raise ValueError(f"`r_drop` must be 0 for {task}, got {config.r_drop}; leave it out")


def nearest(wrong: str, names: Iterable[str], default: str) -> str:
    """The name that was meant, as far as one can tell."""
    return next(iter(get_close_matches(wrong, names, n=1)), default)


def learns_in_part(config: TrainingConfig) -> bool:
    """Whether a setting depends on what the parts of the model are called."""
    frozen = config.freeze != "nothing" or config.freeze_blocks > 0 or config.unfreeze_every is not None
    return frozen or config.lora_rank > 0 or config.layer_decay < 1


def check_folds(config: TrainingConfig, folds: int) -> None:
    if folds > 1 and config.num_processes > 1:
        raise ValueError(f"`num_processes` must be 1 beside data.folds: {folds}, got {config.num_processes}; try 1")
    if folds > 1 and config.fuse_trials:
        raise ValueError(f"`fuse_trials` must be false beside data.folds: {folds}, got true; leave it out")


def loss_of(config: TrainingConfig, task: str) -> LossName:
    """What `auto` means for the task."""
    return LOSSES_OF_TASK[task][0] if config.loss == "auto" else config.loss

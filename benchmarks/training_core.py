"""How fast does one run learn? Our training core beside `transformers.Trainer`: same model, same rows, one thread.

    python benchmarks/training_core.py [--rows N] [--repeats N] [--quick] [--json FILE]

Run it from the project's root: the data are read from ../shared/data, and a set that is absent there is skipped.

Measured are tokens that are no padding per second of the process's CPU time, which suffers least from what else runs on
the machine. The clock runs from the first forward pass in training to the last optimizer step; torch's own hooks start
and stop it, alike for all. Imports, loading, tokenizing and evaluation lie outside, collating and clipping inside. The
hooks also count steps and, from the attention masks, tokens; variants that differ in either are an error.

Each variant has one process for all its runs, as a worker of a search has, so that no variant can help or harm another
through the allocator or a cache of kernels, and modules are imported once. The processes compute one at a time and in
turn, A-B-C-A-B-C; the first, short run of each does not count. Ratios are formed within a turn, whose runs share their
seed and so the same new head, bit for bit.

A ratio counts only if both learn the same: after each run the weights are loaded into a plain model of transformers,
whose loss on the validation rows is taken in fp32. A paired t-test at 5 % must not tell the difference from 0.

--quick takes so few rows that Trainer has next to nothing to group; it shows that all works, not how fast.
"""

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo.environment import describe
from train_fn.config import TextConfig
from train_fn.data import TextDataConfig, TextExamples

if TYPE_CHECKING:  # the workers import them, and take seconds for it
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

DATA = Path("../shared/data")
DATA_SETS = ("banking77_en", "chatbot_ko")
BATCH = 32
MAX_LENGTH = 128
LEARNING_RATE = 3e-4  # so high that a few dozen steps learn something, and a difference can show
LEAST_ROWS = 3 * BATCH  # of the run that does not count
VALID_ROWS = 1000
PLAIN_SAVE = "torch.save of model and optimizer"
OUR_SAVE = "ours: checked, synced, renamed"
SAVES = 3  # checkpoints of a kind after a run, whose median counts

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",  # idle threads would burn CPU time
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
}

# as the workers of a search have it (hpo.executors.ray_start, whose import would be Ray's)
KEEP_MEMORY = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(16 * 2**30),
    "THP_MEM_ALLOC_ENABLE": "1",
}


@dataclass(frozen=True, kw_only=True)
class Variant:
    label: str
    settings: Mapping[str, Any]  # of the TextConfig, or beside the same values in TrainingArguments
    ours: bool = False
    pad_to_max: bool = False
    saves: int = 0  # checkpoints of a kind after each run
    environment: Mapping[str, str] = field(default_factory=dict)


def variants(bf16: bool) -> dict[str, Variant]:
    """In the order of their turns; each of Trainer's changes one thing, so that neighbours tell what it brings."""
    by_length = {
        "train_sampling_strategy": "group_by_length",
        "optim": "adamw_torch_fused",
        "dataloader_num_workers": 0,
        "logging_steps": 1_000_000,
    }
    return {
        "max": Variant(label=f"Trainer, padded to {MAX_LENGTH}, fp32", settings={}, pad_to_max=True),
        "dynamic": Variant(label="Trainer, defaults: padded to the batch, fp32", settings={}),
        "grouped": Variant(label="Trainer, grouped by length, fp32", settings=by_length),
        "best": Variant(label="Trainer, best flags: grouped, bf16", settings=by_length | {"bf16": bf16}, saves=SAVES),
        "fp32": Variant(label="ours, fp32", settings={"precision": "fp32"}, ours=True),
        "ours": Variant(label="ours", settings={}, ours=True, saves=SAVES),
        "worker": Variant(label="ours, memory kept as in a search", settings={}, ours=True, environment=KEEP_MEMORY),
    }


def targets(bf16: bool) -> dict[str, float | None]:
    """How many times as fast as each of Trainer's we promise to be; without bf16 best flags are as good as ours."""
    return {"max": 10.0, "dynamic": 5.0, "best": 1.15 if bf16 else None}


# factor -> (with it, without it); the product of the first four is ours over Trainer padded to the full length
FACTORS = {
    "padding to the batch": ("dynamic", "max"),
    "grouping by length": ("grouped", "dynamic"),
    "bf16": ("best", "grouped"),
    "the rest of ours": ("ours", "best"),
    "bf16, in ours": ("ours", "fp32"),
    "memory kept, in ours": ("worker", "ours"),
}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One run of one variant."""

    steps: int
    tokens: int  # without padding
    padded_tokens: int
    cpu_seconds: float
    wall_seconds: float
    valid_loss: float
    saves: Mapping[str, float] = field(default_factory=dict)  # what is saved and how -> median seconds of a stall

    @property
    def speed(self) -> float:
        return self.tokens / self.cpu_seconds


# In the process of a variant


def begin() -> None:
    import warnings

    import torch
    import transformers

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


def run(variant: Variant, config: TextConfig) -> Measured:
    return run_ours(variant, config) if variant.ours else run_trainer(variant, config)


def run_ours(variant: Variant, config: TextConfig) -> Measured:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from train_fn import data, text
    from train_fn.checkpoint import commit

    with tempfile.TemporaryDirectory() as name, metered() as clock:
        folder = Path(name)
        report = next(text.epochs(config))
        if (save := report.save) is None:
            sys.exit(f"error: the run diverged: {report.diverged}")
        commit(folder / "end", save)
        saves = {
            OUR_SAVE: stall(partial(commit, save=save), folder, variant.saves),
        }
        model = AutoModelForSequenceClassification.from_pretrained(folder / "end" / "model")
        tokenizer = AutoTokenizer.from_pretrained(folder / "end" / "model")
    loss = valid_loss(model, tokenizer, data.load(config.data).valid)
    return Measured(**clock(), valid_loss=loss, saves=saves)


def run_trainer(variant: Variant, config: TextConfig) -> Measured:
    import torch
    from transformers import (
        AutoTokenizer,
        DataCollatorWithPadding,
        PrinterCallback,
        Trainer,
        TrainingArguments,
        default_data_collator,
    )

    from train_fn import data
    from train_fn.model import model_folder, new_model

    splits, folder = data.load(config.data), model_folder(config.model, config.data)
    model, tokenizer = new_model(config, folder, splits.task, splits.labels), AutoTokenizer.from_pretrained(folder)
    # a list, which a loader reads faster than a table of `datasets`
    rows = [
        {**tokenizer(text, truncation=True, max_length=MAX_LENGTH, padding=padding(variant)), "labels": int(target)}
        for text, target in zip(splits.train.texts, splits.train.targets, strict=True)
    ]
    with tempfile.TemporaryDirectory() as name:
        arguments = TrainingArguments(
            output_dir=name,
            per_device_train_batch_size=config.batch_size,
            num_train_epochs=config.max_epochs,
            learning_rate=config.learning_rate,
            weight_decay=config.weight_decay,
            max_grad_norm=config.max_grad_norm,
            lr_scheduler_type=config.schedule,
            seed=config.seed,
            use_cpu=True,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            **variant.settings,
        )
        collator = default_data_collator if variant.pad_to_max else DataCollatorWithPadding(tokenizer)
        trainer = Trainer(model=model, args=arguments, train_dataset=rows, data_collator=collator)
        trainer.remove_callback(PrinterCallback)
        with metered() as clock:
            trainer.train()
        tensors = {"model": model.state_dict(), "optimizer": trainer.optimizer.state_dict()}
        saves = {
            PLAIN_SAVE: stall(partial(torch.save, tensors), Path(name), variant.saves),
            f"{PLAIN_SAVE}, synced": stall(partial(save_and_sync, tensors), Path(name), variant.saves),
        }
    return Measured(**clock(), valid_loss=valid_loss(model, tokenizer, splits.valid), saves=saves)


def padding(variant: Variant) -> str | bool:
    return "max_length" if variant.pad_to_max else False


@contextmanager
def metered() -> Iterator[Callable[[], dict[str, Any]]]:
    """A clock that torch's hooks start and stop; called afterwards, it tells what the training inside was like."""
    from torch.nn.modules.module import register_module_forward_pre_hook
    from torch.optim.optimizer import register_optimizer_step_post_hook

    times: list[tuple[float, float]] = []  # the beginning, and the end of each step
    masks: list[torch.Tensor] = []

    def begun(model: "PreTrainedModel", _: Any) -> None:
        if model.training:
            first.remove()  # or every module of every step would pay for it
            model.base_model.register_forward_pre_hook(seen, with_kwargs=True)
            times.append((time.process_time(), time.perf_counter()))

    def seen(body: "torch.nn.Module", _: Any, inputs: Mapping[str, Any]) -> None:
        if body.training:
            masks.append(inputs["attention_mask"])

    def stepped(*_: Any) -> None:
        times.append((time.process_time(), time.perf_counter()))

    def told() -> dict[str, Any]:
        (cpu_began, wall_began), (cpu_ended, wall_ended) = times[0], times[-1]
        return {
            "steps": len(times) - 1,
            "tokens": sum(int(mask.sum()) for mask in masks),
            "padded_tokens": sum(mask.numel() for mask in masks),
            "cpu_seconds": cpu_ended - cpu_began,
            "wall_seconds": wall_ended - wall_began,
        }

    first, steps = register_module_forward_pre_hook(begun), register_optimizer_step_post_hook(stepped)
    try:
        yield told
    finally:
        first.remove()
        steps.remove()


def save_and_sync(tensors: Mapping[str, Any], path: Path) -> None:
    import torch

    with path.open("wb") as file:
        torch.save(tensors, file)
        file.flush()
        os.fsync(file.fileno())


def stall(save: Callable[[Path], object], folder: Path, times: int) -> float:
    """Median seconds for which the training thread can do nothing else."""
    seconds = [math.nan] if times == 0 else []
    for _ in range(times):
        path = folder / uuid.uuid4().hex
        began = time.perf_counter()
        save(path)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def valid_loss(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", examples: TextExamples) -> float:
    """One yardstick for all."""
    import torch
    from torch.nn.functional import cross_entropy

    order = sorted(range(len(examples.texts)), key=lambda row: len(examples.texts[row]))
    losses = []
    with torch.inference_mode():
        model.eval()
        for rows in (order[start : start + BATCH] for start in range(0, len(order), BATCH)):
            texts = [examples.texts[row] for row in rows]
            inputs = tokenizer(texts, truncation=True, max_length=MAX_LENGTH, padding=True, return_tensors="pt")
            targets = torch.from_numpy(examples.targets[rows])
            losses.append(cross_entropy(model(**inputs).logits.float(), targets, reduction="none"))
    return torch.cat(losses).mean().item()


# In the process that asks them


def measure(
    name: str, chosen: Mapping[str, Variant], workers: Mapping[str, ProcessPoolExecutor], rows: int, repeats: int
) -> dict[str, list[Measured]]:
    """Of each variant, one run for each seed."""
    measured: dict[str, list[Measured]] = {key: [] for key in chosen}
    with tempfile.TemporaryDirectory() as cache:
        for turn in range(repeats + 1):
            warming = turn == 0
            for key, variant in chosen.items():
                config = TextConfig(
                    data=TextDataConfig(
                        train=str(next((DATA / name).glob("train.csv*"))),
                        valid=str(DATA / name / "valid.csv"),
                        max_train_rows=LEAST_ROWS if warming else rows,
                        max_valid_rows=min(rows, LEAST_ROWS if warming else VALID_ROWS),
                        cache=cache,
                    ),
                    max_length=MAX_LENGTH,
                    batch_size=BATCH,
                    max_epochs=1,
                    learning_rate=LEARNING_RATE,
                    seed=turn,
                    **(variant.settings if variant.ours else {}),
                )
                show_progress(f"{name}, turn {turn} of {repeats}: {variant.label}")
                result = workers[key].submit(run, replace(variant, saves=0) if warming else variant, config).result()
                if not warming:
                    measured[key].append(result)
    show_progress("")
    work = {(result.steps, result.tokens) for results in measured.values() for result in results}
    if len(work) > 1:
        sys.exit(f"error: the variants must take the same steps over the same tokens, got (steps, tokens) {work}")
    return measured


def worker(variant: Variant) -> ProcessPoolExecutor:
    """One process, begun at once with what only the start of a process can set."""
    before = dict(os.environ)
    os.environ |= {**ONE_THREAD, **variant.environment}
    try:
        pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=begin)
        pool.submit(os.getpid)
    finally:
        os.environ.clear()
        os.environ |= before
    return pool


def show_progress(line: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{line[:99]}", end="", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Ratio:
    """Within each turn: the median, and the lowest and highest."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f}x ({self.low:.2f} to {self.high:.2f})"


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
    ratios = [our / their for our, their in zip(ours, theirs, strict=True)]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios))


@dataclass(frozen=True)
class Difference:
    """Mean over the seeds, and half the width of its 95 % interval."""

    value: float
    margin: float

    @property
    def within_noise(self) -> bool:
        return abs(self.value) <= self.margin

    def __str__(self) -> str:
        return f"{self.value:+.3f} +- {self.margin:.3f} {'equal' if self.within_noise else 'UNEQUAL'}"


def difference(ours: Sequence[float], theirs: Sequence[float]) -> Difference:
    from scipy.stats import t

    differences = [our - their for our, their in zip(ours, theirs, strict=True)]
    error = statistics.stdev(differences) / math.sqrt(len(differences))
    return Difference(statistics.mean(differences), float(t.ppf(0.975, len(differences) - 1)) * error)


Row = dict[str, Any]


def row(name: str, value: float, unit: str, **known: Any) -> Row:
    """One entry of `--json`; `spread` is lowest and highest unless it is one number, the margin of the value."""
    return {"name": name, "value": value, "unit": unit, "target": None, "holds": None, "peers": {}, **known}


def speed_table(measured: Mapping[str, list[Measured]], chosen: Mapping[str, Variant]) -> tuple[list[str], list[Row]]:
    lines = [f"{'medians over the seeds':<46} {'tok/cpu-s':>9} {'tok/s':>7} {'ms/step':>7} {'real':>5}  valid loss"]
    rows = []
    for key, results in measured.items():
        label, speeds = chosen[key].label, [result.speed for result in results]
        wall = statistics.median(result.tokens / result.wall_seconds for result in results)
        milliseconds = 1e3 * statistics.median(result.cpu_seconds / result.steps for result in results)
        real = statistics.median(result.tokens / result.padded_tokens for result in results)
        losses = [result.valid_loss for result in results]
        lines.append(
            f"{label:<46} {statistics.median(speeds):>9,.0f} {wall:>7,.0f} {milliseconds:>7,.0f} {real:>5.2f}  "
            f"{statistics.mean(losses):.3f} +- {statistics.stdev(losses):.3f}"
        )
        rows.append(row(label, statistics.median(speeds), "tokens/cpu-s", spread=[min(speeds), max(speeds)]))
    return lines, rows


def target_table(
    measured: Mapping[str, list[Measured]], chosen: Mapping[str, Variant], bf16: bool
) -> tuple[list[str], list[Row]]:
    lines = [f"{'ours is faster than':<46} {'median (pairs)':<22} {'target':>6} holds loss: ours less theirs"]
    rows = []
    for key, target in targets(bf16).items():
        label, ours, theirs = chosen[key].label, measured["ours"], measured[key]
        faster = ratio([result.speed for result in ours], [result.speed for result in theirs])
        loss = difference([result.valid_loss for result in ours], [result.valid_loss for result in theirs])
        holds = None if target is None else faster.value >= target and loss.within_noise
        lines.append(
            f"{label:<46} {faster!s:<22} {'-' if target is None else f'{target:g}x':>6} "
            f"{'-' if holds is None else str(holds).lower():<5} {loss}"
        )
        peers, spread = {label: statistics.median(result.speed for result in theirs)}, [faster.low, faster.high]
        rows.append(row(f"ours / {label}", faster.value, "x", target=target, holds=holds, peers=peers, spread=spread))
        peers = {label: statistics.mean(result.valid_loss for result in theirs)}
        rows.append(
            row(
                f"validation loss, ours less {label}",
                loss.value,
                "nats",
                target=0.0,
                holds=loss.within_noise,
                peers=peers,
                spread=loss.margin,
            )
        )
    return lines, rows


def factor_table(measured: Mapping[str, list[Measured]]) -> tuple[list[str], list[Row]]:
    lines, rows = ["what brings how much"], []
    for what, (with_it, without) in FACTORS.items():
        factor = ratio([result.speed for result in measured[with_it]], [result.speed for result in measured[without]])
        lines.append(f"{what:<46} {factor}")
        rows.append(row(what, factor.value, "x", spread=[factor.low, factor.high]))
    return lines, rows


def stall_table(measured: Mapping[str, list[Measured]]) -> tuple[list[str], list[Row]]:
    lines, rows = [f"{'a checkpoint stops training for':<46} {'ms':>5}  torch.save over it"], []
    plain = [result.saves[PLAIN_SAVE] for result in measured["best"]]
    for key in ("best", "ours"):
        for what in measured[key][0].saves:
            seconds = [result.saves[what] for result in measured[key]]
            milliseconds = 1e3 * statistics.median(seconds)
            lines.append(
                f"{what:<46} {milliseconds:>5.0f}  {ratio(plain, seconds) if seconds != plain else ''}".rstrip()
            )
            peers = {PLAIN_SAVE: 1e3 * statistics.median(plain)} if key == "ours" else {}
            rows.append(row(what, milliseconds, "ms", peers=peers, spread=[1e3 * min(seconds), 1e3 * max(seconds)]))
    return lines, rows


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2048, help=f"of the training split; a multiple of {BATCH}")
    parser.add_argument("--repeats", type=int, default=5, help="seeds, of which each variant runs every one")
    parser.add_argument("--quick", action="store_true", help="one data set, few rows, three seeds: under five minutes")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows, repeats = (192, 3) if arguments.quick else (arguments.rows, arguments.repeats)
    if rows % BATCH or rows < LEAST_ROWS:
        parser.error(f"--rows must be a multiple of {BATCH} and at least {LEAST_ROWS}, got {rows}; try 2048")
    if repeats < 3:
        parser.error(f"--repeats must be at least 3, got {repeats}, which has no spread to speak of; try 5")
    names = [name for name in (DATA_SETS[:1] if arguments.quick else DATA_SETS) if is_there(name)]

    from train_fn.precision import processor_has_bf16
    from train_fn.pretrained import locate

    try:
        locate("minilm")
    except ValueError as error:
        sys.exit(f"error: {error}")
    bf16 = processor_has_bf16()
    environment = {
        **describe(),
        "processor": f"{processor()} {'with' if bf16 else 'without'} bf16",
        "load": " ".join(f"{load:.1f}" for load in os.getloadavg()),
    }
    print(", ".join(f"{name} {environment[name]}" for name in ("processor", "cpus", "load")))
    print(", ".join(f"{name} {environment[name]}" for name in ("python", "torch", "transformers", "git_commit")))
    chosen, found = variants(bf16), []
    workers = {key: worker(variant) for key, variant in chosen.items()} if names else {}
    for name in names:
        measured = measure(name, chosen, workers, rows, repeats)
        first = measured["ours"][0]
        print(f"\n{name}: {first.steps} steps of {BATCH} rows, {first.tokens:,} tokens, {repeats} seeds")
        for lines, results in (
            speed_table(measured, chosen),
            target_table(measured, chosen, bf16),
            factor_table(measured),
            stall_table(measured),
        ):
            print("\n" + "\n".join(lines))
            found += [{**result, "name": f"{name}: {result['name']}", "environment": environment} for result in results]
    for pool in workers.values():
        pool.shutdown()
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


def is_there(name: str) -> bool:
    there = (DATA / name).is_dir()
    if not there:
        print(f"{name}: skipped, needs {DATA / name}, which is absent here")
    return there


if __name__ == "__main__":
    main()

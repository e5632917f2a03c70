"""How fast does one run learn? Our training core beside `transformers.Trainer`: same model, same rows, one thread.

    python benchmarks/training_core.py [--rows N] [--repeats N] [--quick] [--json FILE]

Run it from the project's root: the data are read from ../shared/data, and a set that is absent there is skipped.

Measured are tokens that are no padding per second of the process's CPU time, which suffers least from what else runs on
the machine. The clock runs from the first forward pass in training to the last optimizer step. Torch's own hooks start
and stop it, in the same way for all: imports, loading, tokenizing and evaluation lie outside, collating and clipping
inside. They also count the steps and, from the attention masks, the tokens; variants that differ in either are an error.

Each variant has one process for all its runs, as a worker of a search has, so that no variant can help or harm another
through the allocator or a cache of kernels, and modules are imported once. The processes compute one at a time and in
turn, A-B-C-A-B-C; the first, short run of each does not count. Ratios are formed within a turn, whose runs share their
seed and so the same new head, bit for bit.

A ratio counts only if both learn the same: after each run the weights are loaded into a plain model of transformers,
whose loss on the validation rows is taken in fp32. The difference must not be told from 0 by a paired t-test at 5 %.
"""

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpo.environment import describe
from train_fn.config import TextConfig
from train_fn.data import DataConfig, Examples

if TYPE_CHECKING:  # the workers import them, and take seconds for it
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

DATA = Path("../shared/data")
DATA_SETS = ("banking77_en", "chatbot_ko")
BATCH = 32
MAX_LENGTH = 128
LEARNING_RATE = 3e-4  # so high that a few dozen steps learn something, and a difference can show
SAVES = 3  # checkpoints per run

# as search workers have it (hpo.executors.ray_tune, whose import would start Ray's)
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
        "dynamic": Variant(label="Trainer, its defaults: padded to the batch, fp32", settings={}),
        "grouped": Variant(label="Trainer, grouped by length, fp32", settings=by_length),
        "best": Variant(label="Trainer, best flags: grouped, bf16", settings=by_length | {"bf16": bf16}),
        "fp32": Variant(label="ours, fp32", settings={"precision": "fp32"}, ours=True),
        "ours": Variant(label="ours", settings={}, ours=True),
        "worker": Variant(label="ours, memory kept as in a search", settings={}, ours=True, environment=KEEP_MEMORY),
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
    return run_ours(config) if variant.ours else run_trainer(variant, config)


def run_ours(config: TextConfig) -> Measured:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from train_fn import data, text
    from train_fn.checkpoint import commit

    with tempfile.TemporaryDirectory() as name, metered() as clock:
        for report in text.epochs(config):
            if report.save is None or report.snapshot is None:
                sys.exit(f"error: the run diverged: {report.diverged}")
            saves = {
                "committed": stall(report.save, lambda save, folder: commit(folder, save), Path(name) / "committed"),
                "snapshot": stall(report.snapshot, lambda snapshot, _: snapshot(), Path(name) / "snapshot"),
            }
        folder = Path(name) / "committed-0" / "model"
        model = AutoModelForSequenceClassification.from_pretrained(folder)
        tokenizer = AutoTokenizer.from_pretrained(folder)
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
    model, tokenizer = new_model(config, folder, splits.labels), AutoTokenizer.from_pretrained(folder)
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

        def save(tensors: Mapping[str, Any], path: Path) -> None:
            torch.save(tensors, path)

        def save_and_sync(tensors: Mapping[str, Any], path: Path) -> None:
            with path.open("wb") as file:
                torch.save(tensors, file)
                file.flush()
                os.fsync(file.fileno())

        tensors = {"model": model.state_dict(), "optimizer": trainer.optimizer.state_dict()}
        saves = {
            "torch.save": stall(tensors, save, Path(name) / "saved"),
            "torch.save, synced": stall(tensors, save_and_sync, Path(name) / "synced"),
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


def stall(what: Any, save: Callable[[Any, Path], object], path: Path) -> float:
    """Median seconds for which the training thread can do nothing else."""
    seconds = []
    for index in range(SAVES):
        began = time.perf_counter()
        save(what, path.with_name(f"{path.name}-{index}"))
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def valid_loss(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", examples: Examples) -> float:
    """One yardstick for all: no padding at all would be the same."""
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


def measure(name: str, rows: int, repeats: int, chosen: Mapping[str, Variant]) -> dict[str, list[Measured]]:
    """Of each variant, one run for each seed."""
    measured: dict[str, list[Measured]] = {key: [] for key in chosen}
    with ExitStack() as stack:
        cache = stack.enter_context(tempfile.TemporaryDirectory())
        workers = {key: stack.enter_context(worker(variant)) for key, variant in chosen.items()}
        for seed in range(-1, repeats):
            for key, variant in chosen.items():
                warming = seed < 0
                config = TextConfig(
                    data=DataConfig(
                        train=str(next((DATA / name).glob("train.csv*"))),
                        valid=str(DATA / name / "valid.csv"),
                        max_train_rows=3 * BATCH if warming else rows,
                        cache=cache,
                    ),
                    max_length=MAX_LENGTH,
                    batch_size=BATCH,
                    max_epochs=1,
                    learning_rate=LEARNING_RATE,
                    seed=max(seed, 0),
                    **(variant.settings if variant.ours else {}),
                )
                result = workers[key].submit(run, variant, config).result()
                if not warming:
                    measured[key].append(result)
                    show_progress(f"{name}: {variant.label}, {seed + 1} of {repeats}: {result.speed:,.0f} tokens/cpu-s")
    work = {(result.steps, result.tokens) for results in measured.values() for result in results}
    if len(work) > 1:
        sys.exit(f"error: the variants must take the same steps over the same tokens, got (steps, tokens) {work}")
    return measured


def worker(variant: Variant) -> ProcessPoolExecutor:
    """One process, begun with what only the start of a process can set."""
    environment = {
        "OMP_NUM_THREADS": "1",  # idle threads would burn CPU time
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        **variant.environment,
    }
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=begin)
        pool.submit(os.getpid).result()
    finally:
        os.environ.clear()
        os.environ.update(before)
    return pool


def show_progress(line: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{line[:99]}", end="", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Ratio:
    """Ours over a peer's, within each turn."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f}x ({self.low:.2f} to {self.high:.2f})"


def ratio(ours: Sequence[float], peers: Sequence[float]) -> Ratio:
    ratios = [ours / peer for ours, peer in zip(ours, peers, strict=True)]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios))


@dataclass(frozen=True)
class Difference:
    """Of validation losses, ours less a peer's, and half the width of its 95 % interval."""

    value: float
    margin: float

    @property
    def within_noise(self) -> bool:
        return abs(self.value) <= self.margin

    def __str__(self) -> str:
        return f"{self.value:+.3f} +- {self.margin:.3f}"


def difference(ours: Sequence[Measured], peers: Sequence[Measured]) -> Difference:
    from scipy.stats import t

    losses = [ours.valid_loss - peer.valid_loss for ours, peer in zip(ours, peers, strict=True)]
    error = statistics.stdev(losses) / math.sqrt(len(losses))
    return Difference(statistics.mean(losses), float(t.ppf(0.975, len(losses) - 1)) * error)


def targets(bf16: bool) -> dict[str, float | None]:
    """Least ratio of ours to each of Trainer's; against its best flags only precision-aware kernels can tell."""
    return {"max": 10.0, "dynamic": 5.0, "best": 1.15 if bf16 else None}


# factor -> (with it, without it); their product is ours over Trainer padded to the full length
FACTORS = {
    "padding to the batch": ("dynamic", "max"),
    "grouping by length": ("grouped", "dynamic"),
    "bf16": ("best", "grouped"),
    "the rest of ours": ("ours", "best"),
}


def tables(
    name: str, measured: Mapping[str, list[Measured]], chosen: Mapping[str, Variant], bf16: bool
) -> tuple[list[str], list[dict[str, Any]]]:
    """What is printed, and the same for `--json`."""
    speeds = {key: [result.speed for result in results] for key, results in measured.items()}
    ours = measured["ours"]
    lines = [
        "",
        f"{name}: {ours[0].steps} steps of {BATCH} rows, {ours[0].tokens:,} tokens, {len(ours)} seeds",
        "",
        f"  {'medians over the seeds':<46} {'tok/cpu-s':>9} {'tok/s':>7} {'ms/step':>7} {'real':>5}  valid loss",
    ]
    rows: list[dict[str, Any]] = []

    def add(what: str, value: float, unit: str, target: float | None, holds: bool | None, **more: Any) -> None:
        rows.append({"name": f"{name}: {what}", "value": value, "unit": unit, "target": target, "holds": holds, **more})

    for key, results in measured.items():
        speed, wall = statistics.median(speeds[key]), statistics.median(r.tokens / r.wall_seconds for r in results)
        milliseconds = 1e3 * statistics.median(r.cpu_seconds / r.steps for r in results)
        real = statistics.median(r.tokens / r.padded_tokens for r in results)
        losses = [r.valid_loss for r in results]
        lines.append(
            f"  {chosen[key].label:<46} {speed:>9,.0f} {wall:>7,.0f} {milliseconds:>7,.0f} {real:>5.2f}  "
            f"{statistics.mean(losses):.3f} +- {statistics.stdev(losses):.3f}"
        )
        add(chosen[key].label, speed, "tokens/cpu-s", None, None, peers={}, spread=[min(speeds[key]), max(speeds[key])])

    lines += ["", f"  {'ours is faster than':<46} {'median (pairs)':<24} target  holds  loss: ours less theirs"]
    for key, target in targets(bf16).items():
        faster, worse = ratio(speeds["ours"], speeds[key]), difference(ours, measured[key])
        holds = None if target is None else faster.value >= target and worse.within_noise
        lines.append(
            f"  {chosen[key].label:<46} {faster!s:<24} {'-' if target is None else f'{target:g}x':>6}  {told(holds):<5}  "
            f"{worse} {'equal' if worse.within_noise else 'UNEQUAL'}"
        )
        peers = {chosen[key].label: statistics.median(speeds[key])}
        add(
            f"ours / {chosen[key].label}",
            faster.value,
            "x",
            target,
            holds,
            peers=peers,
            spread=[faster.low, faster.high],
        )
        add(
            f"validation loss, ours less {chosen[key].label}",
            worse.value,
            "nats",
            worse.margin,
            worse.within_noise,
            peers={chosen[key].label: statistics.mean(r.valid_loss for r in measured[key])},
            spread=statistics.stdev(r.valid_loss for r in ours),
        )

    factors = {what: ratio(speeds[with_it], speeds[without]) for what, (with_it, without) in FACTORS.items()}
    factors["bf16, in ours"] = ratio(speeds["ours"], speeds["fp32"])
    factors["memory kept, in ours"] = ratio(speeds["worker"], speeds["ours"])
    lines += ["", "  what brings how much"]
    for what, factor in factors.items():
        lines.append(f"  {what:<46} {factor}")
        add(what, factor.value, "x", None, None, peers={}, spread=[factor.low, factor.high])

    peer_stalls = {what: [r.saves[what] for r in measured["best"]] for what in measured["best"][0].saves}
    our_stalls = {what: [r.saves[what] for r in ours] for what in ours[0].saves}
    lines += ["", f"  {'training stands still for a checkpoint':<46} {'ms':<24} torch.save takes"]
    for what, seconds in peer_stalls.items():
        lines.append(f"  {f'{what} of model and optimizer':<46} {1e3 * statistics.median(seconds):.0f}")
    for what, seconds in our_stalls.items():
        times = ratio(peer_stalls["torch.save"], seconds)
        value = 1e3 * statistics.median(seconds)
        lines.append(f"  {STALLS[what]:<46} {value:<24.0f} {times}")
        add(
            f"stall of a checkpoint, {STALLS[what]}",
            value,
            "ms",
            None,
            None,
            peers={peer: 1e3 * statistics.median(stalls) for peer, stalls in peer_stalls.items()},
            spread=[1e3 * min(seconds), 1e3 * max(seconds)],
        )
    return lines, rows


STALLS = {
    "committed": "ours: checked, synced, renamed",
    "snapshot": "ours: copied, to be written while training",
}


def told(holds: bool | None) -> str:
    return "-" if holds is None else str(holds).lower()


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2048, help="of the training split; a multiple of 32")
    parser.add_argument("--repeats", type=int, default=5, help="seeds per variant, at least 3")
    parser.add_argument("--quick", action="store_true", help="few rows and three seeds: under five minutes")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows, repeats = (160, 3) if arguments.quick else (arguments.rows, arguments.repeats)
    if rows % BATCH or rows < 3 * BATCH:
        parser.error(f"--rows must be a multiple of {BATCH} and at least {3 * BATCH}, got {rows}; try 2048")
    if repeats < 3:
        parser.error(f"--repeats must be at least 3, or there is no spread, got {repeats}; try 5")

    from train_fn.precision import processor_has_bf16
    from train_fn.pretrained import locate

    try:
        locate("minilm")
    except ValueError as error:
        sys.exit(f"error: {error}")
    bf16 = processor_has_bf16()
    environment = {
        **describe(),
        "processor": f"{processor()}, {'with' if bf16 else 'without'} bf16",
        "load": " ".join(f"{load:.1f}" for load in os.getloadavg()),
    }
    names = ("processor", "cpus", "python", "torch", "transformers", "load")
    print(", ".join(f"{name} {environment[name]}" for name in names))
    all_rows = []
    for name in DATA_SETS:
        if not (DATA / name).is_dir():
            print(f"{name}: skipped, needs {DATA / name}, which is absent here")
            continue
        chosen = variants(bf16)
        lines, results = tables(name, measure(name, rows, repeats, chosen), chosen, bf16)
        show_progress("")
        print("\n".join(lines))
        all_rows += [{**row, "environment": environment} for row in results]
    if arguments.json:
        arguments.json.write_text(json.dumps(all_rows, indent=1))


if __name__ == "__main__":
    main()

"""What the benchmarks in this folder share: models of random weights, rows of random tokens, our steps and Trainer's.

Speed hangs on shapes alone, so nothing is downloaded. `--rehearse` goes through the same code with tiny models on the
CPU, to show that all of it runs; its figures mean nothing.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, BertConfig, ModernBertConfig, PretrainedConfig

from hpo.environment import describe
from train_fn.config import TextConfig
from train_fn.data import TextDataConfig
from train_fn.loop import batches_from
from train_fn.material import Material
from train_fn.setup import Setup, begin
from train_fn.state import State
from train_fn.step import take_step
from train_fn.tokens import Tokens

CLASSES, PAD = 2, 0
GROUP = 10  # steps that are timed together: a look at the clock waits for the device
PEAK = 788e12  # FLOP/s that a bf16 product of matrices was measured to reach on an H200
Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How large everything is: as it is meant, or only rehearsed."""

    device: torch.device
    rehearsed: bool

    def of(self, meant: int, rehearsed: int) -> int:
        return rehearsed if self.rehearsed else meant

    def architecture(self, name: str) -> PretrainedConfig:
        """bert-base, minilm or modernbert-base; of the rehearsal something tiny of the same kind."""
        size = SIZES[name] if not self.rehearsed else TINY
        kind = ModernBertConfig if name.startswith("modernbert") else BertConfig
        return kind(num_labels=CLASSES, pad_token_id=PAD, **size)


TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
SIZES: Mapping[str, Mapping[str, int]] = {
    "bert-base": {},
    "modernbert-base": {},
    "minilm": {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536},
}


def run(doc: str | None, measure: Callable[[Scale], list[Row]]) -> None:
    """`measure` gives rows with name, value, unit and target (None where there is none); at_least: more is better."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rehearse", action="store_true", help="tiny, on the CPU; the figures mean nothing")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if not arguments.rehearse and not torch.cuda.is_available():
        print(f"skipped: {Path(sys.argv[0]).name} needs a GPU, and torch sees none; --rehearse shows that it runs")
        return
    device = torch.device("cpu" if arguments.rehearse else "cuda")
    rows = [finished(row) for row in measure(Scale(device=device, rehearsed=arguments.rehearse))]
    print(f"| {'rehearsal' if arguments.rehearse else torch.cuda.get_device_name()} | value | target | holds |")
    print("| --- | ---: | ---: | --- |")
    for row in rows:
        target = "" if row["target"] is None else f"{'>=' if row['at_least'] else '<='} {row['target']:g}"
        holds = {True: "yes", False: "no", None: ""}[row["holds"]]
        print(f"| {row['name']} | {row['value']:.4g} {row['unit']} | {target} | {holds} |")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def finished(row: Row) -> Row:
    row = {"target": None, "at_least": True, "peers": {}, "spread": None, **row}
    if row["target"] is None:
        holds = None
    else:
        holds = row["value"] >= row["target"] if row["at_least"] else row["value"] <= row["target"]
    return {**row, "holds": holds, "environment": describe()}


def tokens(count: int, mean: float, most: int, vocabulary: int, seed: int = 0) -> Tokens:
    """Rows whose lengths are spread as those of texts are: log-normal, cut off at `most`."""
    random = numpy.random.default_rng(seed)
    lengths = random.lognormal(numpy.log(mean) - 0.18, 0.6, count).round().clip(4, most).astype(numpy.int64)
    ends = torch.from_numpy(lengths.cumsum())
    return Tokens(
        ids=torch.from_numpy(random.integers(1, vocabulary, int(lengths.sum()))).int(),
        types=None,
        starts=ends - torch.from_numpy(lengths),
        ends=ends,
        lengths=lengths,
        targets=torch.from_numpy(random.integers(0, CLASSES, count)),
        groups=None,
        pad_id=PAD,
    )


def started(scale: Scale, architecture: PretrainedConfig, train: Tokens, **settings: Any) -> tuple[Setup, State]:
    """Our own core, on these rows; `settings` are of TextConfig."""

    def material(config: TextConfig) -> Material:
        model = AutoModelForSequenceClassification.from_config(architecture)
        labels = tuple(map(str, range(CLASSES)))
        valid = train.take(numpy.arange(min(64, len(train.lengths))))
        return Material(
            train=train,
            valid=valid,
            task="classification",
            labels=labels,
            processor=NoProcessor(),
            model=model,
            show=lambda rows: [],
        )

    config = TextConfig(
        data=TextDataConfig(source="docstrings"), precision="fp32" if scale.rehearsed else "bf16", **settings
    )
    return begin(config, material)


class NoProcessor:
    def save_pretrained(self, folder: Path) -> None:
        """There are no texts."""


def our_steps(setup: Setup, state: State, count: int) -> list[float]:
    """Milliseconds of a step, each the mean of a group; the first group warms up."""
    batches = batches_from(setup, 0)

    def step() -> None:
        take_step(setup, state, next(batches))

    return timed(step, count, setup.device)


def timed(step: Callable[[], object], count: int, device: torch.device) -> list[float]:
    found = []
    for _ in range(max(2, count // GROUP)):
        wait(device)
        began = time.perf_counter()
        for _ in range(GROUP):
            step()
        wait(device)
        found.append((time.perf_counter() - began) / GROUP * 1e3)
    return found[1:]


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def trainer_steps(
    scale: Scale, architecture: PretrainedConfig, train: Tokens, count: int, batch_size: int, **flags: Any
) -> list[float]:
    """Of transformers.Trainer on the same rows: milliseconds of a step, by its own callbacks, groups as above."""
    from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

    times: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, arguments: Any, state: Any, control: Any, **more: Any) -> None:
            if state.global_step % GROUP == 0:
                wait(scale.device)
                times.append(time.perf_counter())

    rows = [
        {"input_ids": train.ids[start:end].long(), "labels": int(target)}
        for start, end, target in zip(train.starts, train.ends, train.targets, strict=True)
    ]
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=batch_size,
            max_steps=max(3 * GROUP, count),
            bf16=not scale.rehearsed,
            use_cpu=scale.rehearsed,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            **flags,
        )
        model = AutoModelForSequenceClassification.from_config(architecture)
        trainer = Trainer(model=model, args=arguments, train_dataset=rows, data_collator=padded, callbacks=[Clock()])
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return [(after - before) / GROUP * 1e3 for before, after in zip(times, times[1:], strict=False)]


def padded(rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
    """Dynamic padding, to the longest of the batch."""
    pad = partial(nn.utils.rnn.pad_sequence, batch_first=True)
    ids = pad([row["input_ids"] for row in rows], padding_value=PAD)
    mask = pad([torch.ones_like(row["input_ids"]) for row in rows], padding_value=0)
    return {"input_ids": ids, "attention_mask": mask, "labels": torch.tensor([row["labels"] for row in rows])}


def spread(values: Sequence[float]) -> dict[str, Any]:
    return {"value": statistics.median(values), "spread": [min(values), max(values)]}

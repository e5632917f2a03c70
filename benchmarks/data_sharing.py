"""What do prepared data cost each further trial? Processor time and memory of eight trials that run at the same time.

    python benchmarks/data_sharing.py [--rows N] [--trials N] [--quick] [--json FILE]

100,000 generated texts of 3 to 24 words, MiniLM's tokenizer. Each trial is a fresh process that has imported what
training needs; from there on its CPU time counts until it could take its first batch, and its memory when all trials
hold their data at once and have read every token. Memory is PSS, the proportional set size: a page that eight
processes share counts an eighth in each. The first trial, which finds nothing made yet, is told apart.

The peers: `datasets.map` in each trial, which writes its result to its cache and finds it there (its best setting), the
same without that cache, and token arrays that are pickled into each trial, as a closure or a queue does it.
"""

import argparse
import json
import os
import pickle
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy

from hpo.environment import describe
from train_fn.config import TextConfig
from train_fn.data import TextDataConfig

MAX_LENGTH = 64
SYLLABLES = ("ba", "du", "ke", "lo", "mi", "na", "pe", "ro", "su", "ti", "va", "zo")
TARGETS = {"cpu_ms": 10.0, "memory_percent": 2.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--quick", action="store_true", help="5,000 rows and 4 trials")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows, trials = (5_000, 4) if arguments.quick else (arguments.rows, arguments.trials)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HF_HOME"], os.environ["HF_HUB_OFFLINE"] = f"{folder}/huggingface", "1"
        texts = write_texts(Path(folder) / "texts.csv", rows)
        found = {name: measure(name, texts, trials) for name in VARIANTS}
    print(f"{rows:,} texts, {trials} trials at once\n")
    print(f"{'':42}{'first trial':>14}{'each further trial':>21}{'memory of each, over':>23}")
    print(f"{'':42}{'CPU ms':>14}{'CPU ms':>21}{'that of its imports':>23}")
    for name, one in found.items():
        memory = f"{one['memory_mb']:.1f} MB = {one['memory_percent']:.1f} %"
        print(f"{name:42}{one['first_cpu_ms']:14,.0f}{one['cpu_ms']:21,.1f}{memory:>23}")
    if arguments.json:
        arguments.json.write_text(json.dumps(measurements(found), indent=1) + "\n", encoding="utf-8")


def write_texts(path: Path, rows: int) -> Path:
    random = numpy.random.default_rng(0)
    words = numpy.array([a + b + c for a in SYLLABLES for b in SYLLABLES for c in SYLLABLES])
    lengths = random.integers(3, 25, rows)
    drawn = numpy.split(random.choice(words, lengths.sum()), numpy.cumsum(lengths)[:-1])
    lines = [f"{' '.join(words)},{label}" for words, label in zip(drawn, random.integers(0, 5, rows), strict=True)]
    path.write_text("text,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def data_config(texts: Path) -> TextDataConfig:
    # the texts are random: looking for near duplicates is no part of what is compared
    return TextDataConfig(file=str(texts), cache=str(texts.parent / "cache"), near_duplicates="ignore")


def measure(name: str, texts: Path, trials: int) -> dict[str, float]:
    """The first trial alone, then all the others at once."""
    context = get_context("spawn")
    first = run_trials(context, name, texts, 1)[0]
    others = run_trials(context, name, texts, trials)
    return {
        "first_cpu_ms": first["cpu_ms"],
        "cpu_ms": statistics.median(one["cpu_ms"] for one in others),
        "memory_mb": statistics.median(one["memory_mb"] for one in others),
        "memory_percent": statistics.median(100 * one["memory_mb"] / one["before_mb"] for one in others),
    }


def run_trials(context: Any, name: str, texts: Path, trials: int) -> list[dict[str, float]]:
    """All import, then all take their data, then all are measured."""
    sent = HANDED_OVER[name](texts) if name in HANDED_OVER else None
    pipes = [context.Pipe() for _ in range(trials)]
    processes = [context.Process(target=trial, args=(theirs, name, texts)) for _, theirs in pipes]
    for process, (_, theirs) in zip(processes, pipes, strict=True):
        process.start()
        theirs.close()  # or a trial that fails would be waited for
    ours = [pipe for pipe, _ in pipes]
    for _ in ("imported", "memory before", "data taken"):
        for pipe in ours:
            pipe.recv()
        for pipe in ours:
            pipe.send_bytes(sent or b"")
    found = [pipe.recv() for pipe in ours]
    for pipe in ours:  # nobody leaves before all are measured
        pipe.send_bytes(b"")
    for process in processes:
        process.join()
    return found


def trial(pipe: Connection, name: str, texts: Path) -> None:
    import torch
    import transformers.models.bert.modeling_bert  # noqa: F401
    from transformers import AutoModelForSequenceClassification, AutoTokenizer  # noqa: F401

    import train_fn.loop  # noqa: F401

    torch.set_num_threads(1)
    if "datasets" in name:
        import datasets

        datasets.disable_progress_bars()

    def together() -> bytes:
        pipe.send("here")
        return pipe.recv_bytes()

    together()
    before = memory_mb()
    sent = together()  # measured before anybody goes on
    began = time.process_time()
    held = VARIANTS[name](texts, sent)
    cpu_ms = 1000 * (time.process_time() - began)
    assert read_all(held) > 0
    del sent
    together()
    pipe.send({"cpu_ms": cpu_ms, "before_mb": before, "memory_mb": memory_mb() - before})
    pipe.recv_bytes()


def memory_mb() -> float:
    rollup = Path("/proc/self/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1024


def ours(texts: Path, sent: bytes) -> Any:
    from train_fn.token_cache import tokenized_splits

    config = TextConfig(data=data_config(texts), max_length=MAX_LENGTH)
    return tokenized_splits(config.data, config.model, config.max_length).train.ids


def mapped(texts: Path, sent: bytes, cached: bool = True) -> Any:
    import datasets
    from transformers import AutoTokenizer

    from train_fn.pretrained import locate

    if not cached:
        datasets.disable_caching()
    tokenizer = AutoTokenizer.from_pretrained(locate("minilm"))
    # a function of its own, and nothing that changes from trial to trial: else the cache would not be found again
    rows = datasets.load_dataset("csv", data_files=str(texts), split="train")
    return rows.map(
        lambda batch: tokenizer(batch["text"], truncation=True, max_length=MAX_LENGTH),
        batched=True,
        remove_columns=["text"],
    )


def mapped_anew(texts: Path, sent: bytes) -> Any:
    return mapped(texts, sent, cached=False)


def unpickled(texts: Path, sent: bytes) -> Any:
    return pickle.loads(sent)["ids"]  # made by this program


def pickled_tokens(texts: Path) -> bytes:
    from train_fn.token_cache import tokenized_splits

    train = tokenized_splits(data_config(texts), "minilm", MAX_LENGTH).train
    names = ("ids", "starts", "ends", "lengths", "targets")
    return pickle.dumps({name: numpy.asarray(getattr(train, name)).copy() for name in names})


def read_all(held: Any) -> int:
    if hasattr(held, "select_columns"):
        return sum(len(row) for row in held.select_columns("input_ids").data.table["input_ids"].to_numpy())
    return int(numpy.asarray(held).sum())


VARIANTS: dict[str, Callable[[Path, bytes], Any]] = {
    "ours": ours,
    "datasets.map in each trial, cached": mapped,
    "datasets.map in each trial, not cached": mapped_anew,
    "arrays pickled into each trial": unpickled,
}
HANDED_OVER: dict[str, Callable[[Path], bytes]] = {"arrays pickled into each trial": pickled_tokens}


def measurements(found: dict[str, dict[str, float]]) -> list[dict[str, Any]]:
    names = {"cpu_ms": "CPU time of each further trial", "memory_percent": "more memory in each further trial"}
    units = {"cpu_ms": "ms", "memory_percent": "% of PSS"}
    return [
        {
            "name": names[key],
            "value": found["ours"][key],
            "unit": units[key],
            "target": target,
            "holds": found["ours"][key] < target,
            "peers": {name: one[key] for name, one in found.items() if name != "ours"},
            "environment": describe(),
        }
        for key, target in TARGETS.items()
    ]


if __name__ == "__main__":
    sys.exit(main())

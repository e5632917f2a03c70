"""What does a trial cost its worker as the rows grow, and as the model does?

    python benchmarks/worker_growth.py [--part rows | models] [--quick] [--folder FOLDER] [--json FILE]

The driver's growth is in growth.py, and that of preparing files in data_preparation.py, whose rows are taken here. All
is in seconds of CPU, one thread, so that what else runs on the machine matters little; each size has processes of its
own.

- rows: one file is prepared and made into tokens; then a warm worker trains a tiny model on it and is ended after its
  first report, of 100 steps, so that a million rows end, too. Start is what comes before the first batch enters the
  model; order is that of an epoch's batches, batch is putting one of 32 rows together.
- models: BERTs of 4 to 110 million parameters with random weights: a step of eight short texts, a checkpoint copied in
  memory, committed to the disk, and a state restored from it.

A slope is that of growth.py: 1 where twice the size costs twice.
"""

import argparse
import json
import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import chdir, closing
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import psutil
from data_preparation import write_rows
from growth import sizes, slope_of

from hpo.environment import describe

FEWEST, MOST = 1_000, 1_000_000
STEPS, ROWS_OF_A_STEP = 100, 32
WORDS = 30_522  # of BERT's vocabulary; the tokenizer made here has fewer
# hidden size, layers, heads: BERT-Tiny, TinyBERT-4, MiniLM-L12, DistilBERT's and BERT-Base's shapes
MODELS = {4: (128, 2, 2), 14: (312, 4, 12), 33: (384, 12, 12), 66: (768, 6, 12), 110: (768, 12, 12)}
QUICK_MODELS = (4, 14, 33)
REPEATS = 3


@dataclass(frozen=True)
class OfRows:
    rows: int
    prepare: float  # seconds of CPU
    tokenize: float  # the same
    start: float  # the same
    order: float  # the same, of one epoch
    batch: float  # the same, of putting one together
    evaluate: float  # the same, of all rows of valid
    megabytes: float  # of the worker since it had imported everything, pages of files included


@dataclass(frozen=True)
class OfModel:
    parameters: int
    begin: float  # seconds of CPU
    step: float
    copy: float
    commit: float
    restore: float
    disk: float  # MB of a checkpoint
    megabytes: float  # of the worker, at most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("rows", "models"), help="both unless given")
    parser.add_argument("--quick", action="store_true", help="up to 10,000 rows and 33 million parameters")
    parser.add_argument("--folder", type=Path, help="on the disk to be measured; if left out, that of temporary files")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    context, found = multiprocessing.get_context("spawn"), {}

    def alone(work: Callable[..., Any], *given: object) -> Any:
        """In a process of its own."""
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            return pool.submit(work, *given).result()

    def of_rows(count: int) -> OfRows:
        folder = Path(f"rows-{count}").absolute()
        folder.mkdir()
        alone(write_rows, folder / "rows.csv", count)
        return OfRows(count, *alone(prepared, folder), *alone(trained, folder))

    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder, chdir(folder):
        few = Path("few.csv").absolute()
        alone(write_rows, few, FEWEST)
        if arguments.part != "models":
            alone(make_model, Path("tiny"), few, None)
            counts = sizes(MOST // (100 if arguments.quick else 1), FEWEST)
            found["rows"] = printed(map(of_rows, counts))
        if arguments.part != "rows":
            shapes = QUICK_MODELS if arguments.quick else MODELS
            for shape in shapes:
                alone(make_model, Path(f"model-{shape}"), few, MODELS[shape])
            found["models"] = printed(alone(of_model, Path(f"model-{shape}"), few) for shape in shapes)
    if arguments.json:
        points = {name: [asdict(point) for point in of] for name, of in found.items()}
        arguments.json.write_text(json.dumps({"environment": describe(), **points}, indent=1) + "\n")


def make_model(folder: Path, rows: Path, shape: tuple[int, int, int] | None) -> None:
    """Config, tokenizer and random weights; the tiny model's where no shape is given."""
    import pandas as pd
    from transformers import BertConfig, BertForSequenceClassification

    from train_fn import tiny
    from train_fn.quiet import quiet

    tokenizer = tiny.train_tokenizer(pd.read_csv(rows)["text"].dropna().tolist())
    architecture = tiny.architecture(tokenizer)
    if shape:
        hidden, layers, heads = shape
        architecture = BertConfig(
            vocab_size=WORDS,
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=4 * hidden,
            pad_token_id=tokenizer.pad_token_id,
        )
    tokenizer.save_pretrained(folder)
    with quiet():
        BertForSequenceClassification(architecture).save_pretrained(folder)


def settings(folder: Path) -> dict[str, Any]:
    """Of a run that would report after so many steps."""
    data = {"file": str(folder / "rows.csv"), "cache": str(folder / "cache")}
    model = str(folder.parent / "tiny")
    return {"data": data, "model": model, "batch_size": ROWS_OF_A_STEP, "max_epochs": 1, "eval_steps": STEPS}


def prepared(folder: Path) -> tuple[float, float]:
    from train_fn import data
    from train_fn.model import model_folder
    from train_fn.token_cache import token_folder

    config = config_of(settings(folder))
    prepare = cpu(lambda: data.prepare(config.data))
    model = model_folder(config.model, config.data)
    return prepare, cpu(lambda: token_folder(config.data, model, config.max_length))


def trained(folder: Path) -> tuple[float, float, float, float, float]:
    import torch

    from hpo.segment import Reported, Segment
    from hpo.worker import run_segment
    from train_fn.batches import training_batches
    from train_fn.loop import evaluated
    from train_fn.running import run
    from train_fn.setup import begin

    assert run  # a warm worker has imported what it needs
    torch.set_num_threads(1)
    first: list[float] = []
    hook = torch.nn.modules.module.register_module_forward_pre_hook(lambda *_: first.append(time.process_time()))
    segment = Segment(
        trial=0,
        attempt=1,
        trainable="train_fn.text:epochs",
        config=settings(folder),
        checkpoint=None,
        from_step=0,
        folder=str(folder),
        threads=1,
    )
    before, began = psutil.Process().memory_info(), time.process_time()
    with closing(run_segment(segment)) as said:
        word = next(said)
    hook.remove()
    assert isinstance(word, Reported), word
    after = psutil.Process().memory_info()

    config = config_of(settings(folder))
    setup, state = begin(config)
    batches: list[Any] = []
    order = cpu(lambda: batches.extend(training_batches(setup.train, config, 0)))
    some = batches[:STEPS]
    batch = cpu(lambda: [setup.train.collate(rows) for rows in some]) / len(some)
    evaluate = cpu(lambda: evaluated(setup, state))
    return first[0] - began, order, batch, evaluate, (after.rss - before.rss) / 1e6


def of_model(folder: Path, rows: Path) -> OfModel:
    import torch

    from train_fn import checkpoint
    from train_fn.batches import training_batches
    from train_fn.loop import report
    from train_fn.resuming import load_state
    from train_fn.setup import begin
    from train_fn.step import take_step

    torch.set_num_threads(1)
    data = {"file": str(rows), "cache": str(rows.parent / "cache")}
    config = config_of({"data": data, "model": str(folder), "batch_size": 8, "max_epochs": 1})
    made = []
    begin(config)  # tokens are made once, and modules imported
    beginning = cpu(lambda: made.append(begin(config)))
    ((setup, state),) = made
    batches = training_batches(setup.train, config, 0)
    take_step(setup, state, batches[0])  # makes the optimizer's state
    step = statistics.median(cpu(lambda rows=rows: take_step(setup, state, rows)) for rows in batches[1 : 1 + 5])
    said = report(setup, state, {"loss": 1.0}, {})
    save, snapshot = said.save, said.snapshot
    assert save and snapshot
    place = folder / "checkpoint"

    def repeated(work: Callable[[], object], after: Callable[[], object] = lambda: None) -> float:
        spent = []
        for _ in range(REPEATS):
            spent.append(cpu(work))
            after()
        return statistics.median(spent)

    copy = repeated(snapshot)
    commit = repeated(lambda: checkpoint.commit(place, save), after=lambda: checkpoint.discard(place))
    checkpoint.commit(place, save)
    restore = repeated(lambda: load_state(place, state, config))
    disk = checkpoint.size(place) / 1e6
    checkpoint.discard(place)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return OfModel(int(setup.summary["parameters"]), beginning, step, copy, commit, restore, disk, memory)


def config_of(settings: dict[str, Any]) -> Any:
    from hpo.trainable import build_config
    from train_fn.config import TextConfig

    return build_config(TextConfig, settings)


def cpu(work: Callable[[], object]) -> float:
    """Seconds of this process."""
    began = time.process_time()
    work()
    return time.process_time() - began


def printed(found: Iterable[OfRows | OfModel]) -> list[OfRows | OfModel]:
    """A line for each as it is there, and the slopes of all."""
    points: list[OfRows | OfModel] = []
    for point in found:
        size, *names = (field.name for field in fields(point))
        if not points:
            print(f"\n{size:>12}" + "".join(f"{name:>11}" for name in names))
        print(f"{getattr(point, size):12,}" + "".join(f"{getattr(point, name):11.4g}" for name in names), flush=True)
        points.append(point)
    x = [getattr(point, size) for point in points]
    print("\nslopes on logarithms")
    for name in names:
        low, slope, high = slope_of(x, [getattr(point, name) for point in points])
        top = slope_of(x[-2:], [getattr(point, name) for point in points[-2:]])[1]
        print(f"{name:>12}{slope:8.2f} [{low:.2f}, {high:.2f}]   between the largest two {top:.2f}")
    return points


if __name__ == "__main__":
    main()

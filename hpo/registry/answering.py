"""A model that answers: loaded from files that were verified, and how long it takes for one row."""

import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hpo.errors import UsageError
from hpo.registry import versions
from hpo.registry.model_files import metadata
from hpo.tracking.mlflow import quiet

WARM_UP, TIMED = 3, 20  # answers before the clock starts, and those it runs for
EXAMPLE = "input_example.json"


@contextmanager
def loaded_champion(model: str) -> Iterator[tuple[Any, dict[str, Any]]]:
    """The model, and what was said of it when it was logged."""
    with champion_files(model) as (folder, about):
        yield load(folder), about


@contextmanager
def champion_files(model: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The folder of its verified files, and what was said of it when it was logged."""
    with versions.mlflow_errors("nothing is answered"):
        champion = versions.required_champion(model)
        with versions.files(champion) as folder:
            yield folder, {**metadata(folder, champion.in_words), "version": champion.number}


def load(folder: Path) -> Any:
    """Of a folder that was verified."""
    quiet()
    import mlflow

    from train_fn import quiet as transformers_quiet

    try:
        with transformers_quiet.quiet():
            return mlflow.pyfunc.load_model(str(folder))
    except Exception as error:  # whatever a library finds wrong with a file
        said = " ".join(str(error).split())[:300]
        raise UsageError(f"the model in {folder} cannot be loaded: {said}; train it anew") from None


def timed(folder: Path) -> float | None:
    """Median milliseconds for one row; None where the model brings no example. It proves that the model answers."""
    model, example = load(folder), _example(folder)
    if example is None:
        return None
    seconds = []
    for _ in range(WARM_UP + TIMED):
        start = time.perf_counter()
        model.predict(example)
        seconds.append(time.perf_counter() - start)
    return round(1000 * statistics.median(seconds[WARM_UP:]), 3)


def _example(folder: Path) -> Any:
    import pandas as pd

    path = folder / EXAMPLE
    if not path.is_file():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    return pd.DataFrame(**found).head(1) if isinstance(found, dict) and "columns" in found else found[:1]

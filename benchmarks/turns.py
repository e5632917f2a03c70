"""Variants that run in turn, A-B-C-A-B-C, so that what slows the machine for a while slows them all alike."""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

HERE = Path(__file__).absolute().parent
Run = TypeVar("Run")  # a dataclass: what one run of a variant came to


def in_turns(
    kind: type[Run],
    labels: Mapping[str, str],
    repeats: int,
    make: Callable[[str], Run],
    runs: Path | None,
    what: Callable[[str], dict[str, Any]],
) -> dict[str, list[Run]]:
    """Of each variant its runs, in the order of the turns.

    Each is a line of JSON in the file `runs`, with `what` was to be done; those that stand there are not made again.
    """
    lines = [json.loads(line) for line in runs.read_text().splitlines()] if runs and runs.exists() else []
    found: dict[str, list[Run]] = {name: [] for name in labels}
    for turn in range(repeats):
        for name, label in labels.items():
            key = {**what(name), "variant": name, "turn": turn}
            there = next((line for line in lines if key.items() <= line.items()), None)
            if there:
                found[name].append(kind(**{field: there[field] for field in there if field not in key}))
                continue
            print(f"{time.strftime('%H:%M:%S')} turn {turn}: {label}", file=sys.stderr, flush=True)
            found[name].append(one := make(name))
            if runs:
                with runs.open("a") as file:
                    file.write(json.dumps({**key, **asdict(one)}) + "\n")
    return found


def environment(folder: Path) -> dict[str, str]:
    """For a command in `folder` that imports what lies beside the benchmarks."""
    return {
        "PYTHONPATH": f"{HERE}{os.pathsep}{HERE.parent}",
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}",
        "RAY_USAGE_STATS_ENABLED": "0",
        "PYTHONWARNINGS": "ignore",
    }

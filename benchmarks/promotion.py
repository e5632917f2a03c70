"""How often a candidate passes `minimum_gain: 0`: of those as good as the champion, and of those that are better.

    python benchmarks/promotion.py [--quick] [--json FILE]

Simulated answers of two models to three classes. What matters beside the gain is how alike the models are: on which
share of the rows exactly one of the two is right; the power is shown for several. "same rows" is one champion and one
sealed split for all candidates: its luck is theirs, so the mean over several champions is shown.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from hpo.environment import describe
from hpo.registry.paired_bootstrap import compare

LABELS = ("a", "b", "c")


def answers(rng: np.random.Generator, rows: int, gain: float, disagree: float, accuracy: float = 0.8) -> Any:
    """Truth, the champion's and the candidate's answers; the candidate is better by `gain` on the average."""
    truth = rng.integers(len(LABELS), size=rows)
    worse, draw = (disagree - gain) / 2, rng.random(rows)
    both = (draw >= disagree) & (draw < disagree + accuracy - worse)
    wrong = [(truth + rng.integers(1, len(LABELS), size=rows)) % len(LABELS) for _ in range(2)]
    champion = np.where((draw < worse) | both, truth, wrong[0])
    candidate = np.where((draw >= worse) & (draw < disagree) | both, truth, wrong[1])
    return truth, champion, candidate


def passes(truth: Any, champion: Any, candidate: Any, metric: str, seed: int) -> bool:
    found, _ = compare(
        {"predictions": champion}, {"targets": truth, "predictions": candidate, "labels": LABELS}, metric, seed
    )
    return found.low > 0


def rate(times: int, metric: str, rows: int, gain: float, disagree: float) -> float:
    rng = np.random.default_rng(0)
    return float(np.mean([passes(*answers(rng, rows, gain, disagree), metric, seed) for seed in range(times)]))


def rate_on_same_rows(champions: int, candidates: int, rows: int) -> list[float]:
    """Of each champion, the share of equal candidates that pass: each is right where a fair draw of its own says so."""
    rng, found = np.random.default_rng(0), []
    for _ in range(champions):
        truth, ease = rng.integers(len(LABELS), size=rows), rng.beta(4, 1, size=rows)
        said = [np.where(rng.random(rows) < ease, truth, (truth + 1) % len(LABELS)) for _ in range(candidates + 1)]
        found.append(float(np.mean([passes(truth, said[0], one, "accuracy", i) for i, one in enumerate(said[1:])])))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a fifth of the candidates")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    times = 200 if options.quick else 1000
    results = []

    def row(name: str, value: float, target: float | None, holds: bool | None) -> None:
        spread = (value * (1 - value) / times) ** 0.5
        results.append({"name": name, "value": value, "unit": "share promoted", "target": target, "holds": holds,
                        "peers": {}, "spread": spread, "environment": describe()})  # fmt: skip
        print(f"{name:60} {value:6.3f}  {'' if target is None else target}", flush=True)

    for metric in ("accuracy", "f1_macro"):
        for rows in (200, 2000):
            found = rate(times, metric, rows, 0.0, 0.12)
            row(f"equal, {metric}, {rows} rows", found, 0.05, found <= 0.05)
    for disagree in (0.08, 0.11, 0.15, 0.2, 0.3):
        found = rate(times, "accuracy", 2000, 0.02, disagree)
        is_promised = disagree <= 0.11
        row(f"2 points better, 2,000 rows, one right on {disagree:.0%}", found, 0.8 if is_promised else None,
            found >= 0.8 if is_promised else None)  # fmt: skip
    of_champions = rate_on_same_rows(10, times // 10, 2000)
    row("equal, same rows, mean of 10 champions", float(np.mean(of_champions)), None, None)
    row("equal, same rows, the luckiest of 10 champions' rows", max(of_champions), None, None)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Is the winner of the main job better than a tuned linear model, or lucky? Its configuration again, on fresh seeds.

    python benchmarks/main_job.py [--study NAME] [--seeds N] [--quick] [--json FILE]

Run it where the study was run (its folder `studies` is read). Each seed trains the winner's configuration anew, keeps
the epoch that is best on validation, as the study does, and scores it on the sealed test split beside TF-IDF with a
linear classifier tuned on the same validation rows.
"""

import argparse
import dataclasses
import json
import statistics
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from hpo.environment import describe
from hpo.results import read
from train_fn.checkpoint import commit


def score_seed(job: tuple[dict[str, Any], str, int]) -> dict[str, float]:
    """Validation and test score of one fresh seed, and the linear model's on the same test rows."""
    import torch

    from hpo.trainable import build_config
    from train_fn import text
    from train_fn.config import TextConfig

    values, metric, seed = job
    torch.set_num_threads(1)
    config = dataclasses.replace(build_config(TextConfig, values), seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        best = float("-inf")
        for report in text.epochs(config):
            if report.save and report.metrics[metric] > best:
                best, checkpoint = report.metrics[metric], Path(folder) / f"epoch-{report.epoch:g}"
                commit(checkpoint, report.save)
        result = text.test(config, checkpoint)
    return {"validation": best, "test": result.metrics[metric], "linear": result.baseline[metric]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", default="lwlrd")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="two seeds: under five minutes")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()

    from hpo.trainable import resolved

    results = read(arguments.study)
    winner = results.history.winner(results.objective)
    if winner is None:
        sys.exit(f"error: study {arguments.study} has no winner to train again")
    metric = results.objective.metric
    seeds = range(1, 1 + (2 if arguments.quick else arguments.seeds))  # 0 is the study's own
    jobs = [(resolved(results.study.config, winner.params), metric, seed) for seed in seeds]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        scores = list(pool.map(score_seed, jobs))

    tests, linear = [score["test"] for score in scores], scores[0]["linear"]
    spread = statistics.stdev(tests)
    print(f"study {arguments.study}, trial {winner.number:03d}, {metric} on the sealed test split")
    for seed, score in zip(seeds, scores, strict=True):
        print(f"  seed {seed}: validation {score['validation']:.4f}, test {score['test']:.4f}")
    print(f"  fine-tuned   {statistics.mean(tests):.4f} +- {spread:.4f} over {len(tests)} seeds")
    print(f"  TF-IDF + linear, tuned   {linear:.4f}")
    print(f"  found by the search with seed 0: validation {winner.value(results.objective):.4f}")
    if arguments.json:
        row = {
            "name": f"{arguments.study}: {metric} of the winner on the sealed test",
            "value": statistics.mean(tests),
            "unit": metric,
            "target": linear,
            "holds": statistics.mean(tests) > linear,
            "peers": {"TF-IDF + linear, tuned": linear},
            "spread": spread,
            "environment": describe(),
        }
        arguments.json.write_text(json.dumps([row], indent=1))


if __name__ == "__main__":
    main()

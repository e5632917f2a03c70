"""Is a confirmed winner better than the best search score, and do its intervals hold? Simulated studies, known truth.

python benchmarks/confirmation.py [--quick] [--json FILE]; 1,000 studies of each row in a minute, 100 with --quick.

A study tries configurations whose true scores are drawn, and sees each through the noise of one seed: its standard
deviation is drawn from 0.5 to 6 points, log-uniformly, as fine-tuning has it. Its finalists are then trained again with
fresh seeds, a third of whose variance all configurations share, and hpo.confirmation decides. At equal total cost the
peer spends the same number of runs on further trials, and takes the best search score. Regret is what is lost by the
choice: the best true score among what was tried, minus that of what was chosen.

Two populations of true scores: `normal`, and `ceiling`, where many configurations lie close below the best possible
one (an exponential tail), so that there is little to choose between.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np

from hpo.confirmation import Confirmation, best_of_search, confirmation
from hpo.history import Evaluation, History, State, Trial
from hpo.noise_floor import floor
from hpo.objective import Objective

SCORE = Objective(maximize="score")
LEAST_NOISE, MOST_NOISE = 0.5, 6.0  # points: standard deviation of a score between seeds
SHARED = 1 / 3  # of that variance, by all configurations that are trained with one seed
SPREAD = 5.0  # points: standard deviation of the true scores
ROWS = [  # population, trials, finalists, seeds
    ("normal", 24, 3, 3),
    ("normal", 24, 5, 3),
    ("normal", 50, 3, 3),
    ("normal", 100, 5, 5),
    ("ceiling", 24, 3, 3),
    ("ceiling", 24, 5, 3),
    ("ceiling", 100, 5, 5),
]


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """What one study came to."""

    covered: list[bool]  # of each finalist's 95 % interval, whether the truth lies in it
    covered_chosen: bool
    covered_pairs: list[bool]  # of each finalist's distance to the best mean
    regret: float
    regret_peer: float  # of the best search score, with as many runs in all
    lead: float  # true score of the chosen one minus that of the peer's
    optimism: float  # the gap that is published
    optimism_true: float  # search score minus true score of the chosen one


def true_scores(random: np.random.Generator, population: str, count: int) -> np.ndarray:
    return random.normal(0, SPREAD, count) if population == "normal" else -random.exponential(SPREAD, count)


def simulated(
    random: np.random.Generator, population: str, trials: int, finalists: int, seeds: int, cost: float = 1.0
) -> Simulated:
    """`cost`: how many times as long the slowest configuration takes as the fastest; 1: all alike."""
    noise = float(np.exp(random.uniform(np.log(LEAST_NOISE), np.log(MOST_NOISE))))
    truth = true_scores(random, population, trials + finalists * seeds)
    found = truth + random.normal(0, noise, len(truth))
    peer = int(np.argmax(found))
    seconds = 10 * cost ** random.random(len(truth))
    history = History(trials=[ended(n, found[n], seconds[n]) for n in range(trials)], searched="all trials ended")
    history.finalists, history.seeds = best_of_search(history, SCORE, finalists), list(range(1, seeds + 1))
    of_seed = random.normal(0, noise * SHARED**0.5, seeds)
    for trial in history.finalists:
        own = random.normal(0, noise * (1 - SHARED) ** 0.5, seeds)
        for seed, score in zip(history.seeds, truth[trial] + of_seed + own, strict=True):
            history.repeats.append(ended(len(history.repeats), score, seconds[trial], trial, seed))
    judged = confirmation(history, SCORE)
    assert judged is not None and judged.winner is not None and judged.winner.optimism is not None
    return Simulated(
        **covering(judged, truth),
        regret=float(truth[:trials].max() - truth[judged.winner.trial]),
        regret_peer=float(truth.max() - truth[peer]),
        lead=float(truth[judged.winner.trial] - truth[peer]),
        optimism=judged.winner.optimism,
        optimism_true=float(found[judged.winner.trial] - truth[judged.winner.trial]),
    )


def covering(judged: Confirmation, truth: np.ndarray) -> dict[str, list[bool] | bool]:
    best = judged.finalists[0].trial
    inside = {
        one.trial: one.confirmed.low <= truth[one.trial] <= one.confirmed.high
        for one in judged.finalists
        if one.confirmed
    }
    pairs = [
        one.behind.low <= truth[best] - truth[one.trial] <= one.behind.high for one in judged.finalists if one.behind
    ]
    assert judged.chosen is not None
    return {"covered": [*inside.values()], "covered_chosen": inside[judged.chosen], "covered_pairs": pairs}


def ended(number: int, score: float, seconds: float, confirms: int | None = None, seed: int | None = None) -> Trial:
    report = Evaluation(
        step=1, epoch=1.0, metrics={"score": float(score)}, seconds=seconds, checkpoint=None, diverged=None, time=0.0
    )
    return Trial(
        number=number, params={}, asked=0.0, confirms=confirms, seed=seed, state=State.COMPLETE, evaluations=[report]
    )


def studies(count: int, *settings: object, cost: float = 1.0) -> Iterator[Simulated]:
    for study in range(count):
        yield simulated(np.random.default_rng([0, study]), *settings, cost=cost)  # type: ignore[arg-type]


def stopped_early(random: np.random.Generator, trials: int, repeats: int = 3) -> tuple[float, float]:
    """(share of the trials that the noise floor saved, points of true score that were lost by it) of one study."""
    noise = float(np.exp(random.uniform(np.log(LEAST_NOISE), np.log(MOST_NOISE))))
    truth = true_scores(random, "normal", trials)
    found = truth + random.normal(0, noise, trials)
    history = History()
    for seed in range(repeats):
        history.repeats.append(ended(seed, truth[0] + random.normal(0, noise), 1.0, confirms=0, seed=seed + 1))
    for number in range(trials):
        if floor(history, SCORE, trials):
            break
        history.trials.append(ended(number, found[number], 1.0))
        history.ended.append(history.trials[-1])
    tried = len(history.trials)
    return 1 - tried / trials, float(truth[np.argmax(found)] - truth[np.argmax(found[:tried])])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="100 studies a row instead of 1,000")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    count, results = (100 if arguments.quick else 1000), []

    def note(name: str, value: float, low: float, high: float) -> str:
        holds = low <= value <= high
        results.append({"name": name, "value": value, "unit": "", "target": [low, high], "holds": holds})
        return f"{value:8.3f}{' ' if holds else '!'}"

    print(f"{count} studies a row; ! lies outside its target: coverage .93 to .97, regret at most half of the peer's")
    print(
        "population trials k x n  cost | covered: finalists   chosen    pairs | regret   peer     ratio |  lead   gap"
    )
    for population, trials, finalists, seeds in ROWS:
        for cost in (1.0, 4.0):
            many = [*studies(count, population, trials, finalists, seeds, cost=cost)]
            name = f"{population} {trials} {finalists}x{seeds} cost {cost:g}"
            covered = fmean(inside for one in many for inside in one.covered)
            pairs = fmean(inside for one in many for inside in one.covered_pairs)
            chosen = fmean(one.covered_chosen for one in many)
            regret, peer = fmean(one.regret for one in many), fmean(one.regret_peer for one in many)
            print(
                f"{population:10} {trials:6} {finalists}x{seeds} {cost:5g} |          "
                f"{note(f'{name}: coverage of finalists', covered, 0.93, 0.97)}"
                f"{note(f'{name}: coverage of the chosen', chosen, 0.93, 0.97)}"
                f"{note(f'{name}: coverage of differences', pairs, 0.93, 0.97)}|{regret:6.2f} {peer:6.2f} "
                f"{note(f'{name}: regret by the peer', regret / peer, 0.0, 0.5)}|{fmean(one.lead for one in many):6.2f}"
                f"{fmean(one.optimism for one in many):6.2f} (true {fmean(one.optimism_true for one in many):.2f})"
            )
    saved = [stopped_early(np.random.default_rng([1, study]), 100) for study in range(count)]
    print(
        f"noise floor, 100 trials, 3 repeats: {fmean(one for one, _ in saved):.0%} of the trials saved, "
        f"{fmean(lost for _, lost in saved):.2f} points of true score lost"
    )
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()

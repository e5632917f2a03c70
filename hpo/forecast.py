"""What a study will cost, before its first trial: its own scheduler, played on learning curves such as real ones.

How many epochs a scheduler lets be trained hangs little on the curves and much on its rungs, the trials and the
workers. A curve here rises as a power of the epoch (Domhan, Springenberg and Hutter 2015, IJCAI); trials differ in
where it ends, and early epochs tell of that with an error, so that rankings change on the way.
"""

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from random import Random
from statistics import median
from typing import Any

from hpo.account import Account
from hpo.domains import Value
from hpo.language import ENGLISH, Language
from hpo.machine import gpus
from hpo.packing import at_once
from hpo.results import Results, read_all
from hpo.searchers import build_searcher
from hpo.simulator.simulation import Curve, Epoch, Simulation
from hpo.study import Study
from hpo.wording import duration

PLAYS = 20
MOST_REPORTS = 20_000  # of all plays together, about a second of computing; of a longer study a part is played
MOST_EPOCHS = 1000  # of which a trial reports each; of longer ones every so many
MISLEADING = 0.5  # standard deviation of what the first epoch gets wrong, in those of what trials reach


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """Epochs of all trials and repeats, were all of them tried: nine of ten plays lie within `low` and `high`."""

    low: float
    median: float
    high: float
    most: float  # without a scheduler
    seconds_per_epoch: float | None  # of one trial, in earlier studies of the same trainable and data
    workers: int

    def epochs(self, language: Language = ENGLISH) -> str:
        """`78 to 110 epochs`, or the one number that both are."""
        number = span(f"{self.low:.0f}", f"{self.high:.0f}", language)
        return language.say("{count} epoch" if number == "1" else "{count} epochs", count=number)

    def line(self, language: Language = ENGLISH) -> str:
        say = language.say
        line = self.epochs(language)
        if self.most > self.high:
            line += say(", of {most:.0f} without stopping", most=self.most)
        if self.seconds_per_epoch is None:
            return line + say("; the first trials will tell how long one takes")
        low, high = (duration(end * self.seconds_per_epoch / self.workers, language) for end in (self.low, self.high))
        return line + say("; {time} at the pace of earlier studies here", time=span(low, high, language))


def forecast(study: Study, workers: int, earlier: Iterable[Results] = ()) -> Forecast | None:
    """None where nobody knows how many epochs a trial has. `earlier` studies may tell how long one takes."""
    if study.max_epochs is None:
        return None
    most = study.search.trials * study.max_epochs
    reports = min(study.max_epochs, MOST_EPOCHS)  # of a trial
    trials = min(study.search.trials, MOST_REPORTS // reports)
    part = study.model_copy(update={"search": study.search.model_copy(update={"trials": trials})})
    plays = max(1, min(PLAYS, MOST_REPORTS // (trials * reports)))
    times = study.search.trials / trials
    epochs = sorted(times * played(part, study.max_epochs, max(workers, 1), seed) for seed in range(plays))
    cap = study.budget.epochs or math.inf
    again = study.repeats * study.max_epochs
    ends = epochs[plays // 20], median(epochs), epochs[-1 - plays // 20]
    low, middle, high = (min(cap, end) + again for end in ends)
    return Forecast(
        low=low,
        median=middle,
        high=high,
        most=min(cap, most) + again,
        seconds_per_epoch=pace(earlier),
        workers=max(min(workers, study.search.trials), 1),
    )


def expected(study: Study, data: Mapping[str, Any]) -> Forecast | None:
    """On this machine, after the studies under the working directory; `data` is what `prepare` found."""
    workers = at_once(study.resources, os.cpu_count() or 1, gpus())
    return forecast(study, workers, [results for results in read_all()[0] if alike(results, study, data)])


def alike(results: Results, study: Study, data: Mapping[str, Any]) -> bool:
    """Whether an epoch there takes as long: trainable, rows and fixed settings are the same."""
    other, rows = results.study, (one.get("fingerprint") for one in (results.history.record["data"], data))
    fixed, theirs = ({k: v for k, v in one.config.items() if k != "max_epochs"} for one in (study, other))
    return (other.trainable, other.resources, theirs) == (study.trainable, study.resources, fixed) and len({*rows}) == 1


def pace(studies: Iterable[Results]) -> float | None:
    """Seconds per epoch of one trial, start-up included: the median over studies."""
    paces = []
    for results in studies:
        account = Account()
        for event in results.events:
            account.apply(event)
        if account.epochs:
            paces.append(account.worker_seconds / account.epochs)
    return median(paces) if paces else None


def played(study: Study, max_epochs: int, workers: int, seed: int) -> float:
    """Epochs of all trials together."""
    simulation = Simulation(
        searcher=build_searcher("random", space=study.space, objective=study.objective, seed=seed),
        scheduler=study.build_scheduler(),
        objective=study.objective,
        curve=likely(study.objective.metric, study.objective.sign, max_epochs, seed),
        max_epochs=max_epochs,
        epochs_per_report=max(1, max_epochs // MOST_EPOCHS),
        workers=workers,
        seed=seed,
    )
    account = Account()
    for event in simulation.run():
        account.apply(event)
    return account.epochs


def likely(metric: str, sign: int, max_epochs: int, seed: int) -> Curve:
    """A learning curve for each configuration."""

    @cache
    def ends(configuration: str) -> tuple[float, float]:
        random = Random(f"{seed} {configuration}")
        return random.gauss(), random.gauss(sigma=MISLEADING)

    def curve(params: Mapping[str, Value], epoch: int) -> Epoch:
        end, misleading = ends(repr(sorted(params.items())))
        left = 1 - math.log(epoch) / math.log(max_epochs) if max_epochs > 1 else 0.0  # 1 at the first epoch, then to 0
        return Epoch({metric: sign * (end + misleading * left - 3 / math.sqrt(epoch))})

    return curve


def span(low: str, high: str, language: Language) -> str:
    return low if low == high else language.say("{low} to {high}", low=low, high=high)

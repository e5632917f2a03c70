"""Which trial is to be trained again, with which seed: early for the noise of the seeds, in the end to be sure."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from hpo.history import SEED, History
from hpo.noise_floor import repeated
from hpo.study import Study


@dataclass(frozen=True)
class Repeat:
    """A run of the trial's parameters over the full budget; no scheduler judges it."""

    trial: int
    seed: int


def owed(study: Study, history: History, *, over: bool) -> Repeat | None:
    """The next one that has not been begun, seed by seed; None where there is nothing to repeat now.

    Of a search that is `over` the noise no longer matters.
    """
    if study.confirm is None and study.budget.noise_repeats is None:
        return None
    begun = {(run.confirms, run.seed) for run in history.repeats}
    due = [*([] if over else _for_noise(study, history)), *_to_confirm(history)]
    return next((one for one in due if (one.trial, one.seed) not in begun), None)


def fresh_seeds(study: Study, history: History, count: int) -> list[int]:
    """From the seed of the study, and none that the search has trained with."""
    used = {getattr(study.first_config(), SEED, None), *(trial.params.get(SEED) for trial in history.trials)}
    random, seeds = Random(f"{study.search.seed}/confirm"), list[int]()
    while len(seeds) < count:
        seed = random.randrange(2**31)
        if seed not in used:
            used.add(seed)
            seeds.append(seed)
    return seeds


def _for_noise(study: Study, history: History) -> Iterator[Repeat]:
    trial = repeated(history)
    goes_on = not history.searched and len(history.trials) < study.search.trials
    if study.budget.noise_repeats and trial is not None and goes_on:
        for seed in fresh_seeds(study, history, study.budget.noise_repeats):
            yield Repeat(trial, seed)


def _to_confirm(history: History) -> Iterator[Repeat]:
    for seed in history.seeds:
        for finalist in history.finalists:
            yield Repeat(finalist, seed)

"""When a search can stop: what more trials are expected to gain is less than luck of the seed moves a score.

The first trial that comes to its full end is repeated with fresh seeds; the standard deviation of these runs is the
seed noise. A difference below it cannot be seen in one run, so that a search for it chooses luck (Makarova et al. 2022,
"Automatic termination for hyperparameter optimization", who bound what is left to gain by a Gaussian process).

Here the gain is told from the scores alone, on every space and for every searcher. The mean of the best of m out of N
scores is known exactly (each choice of m as likely as any other), and it grows by less and less with m. So what each
further trial adds to the best is on average at most what each of the last half has added, if all are drawn alike:

    expected gain of r more  <=  r * (E[best of N] - E[best of N - m]) / m        m = N / 2, or r where that is less

A searcher that learns may beat that bound. Seed noise itself raises it, so that the search rather stops too late.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from statistics import stdev

from hpo.history import REGULAR, History, State
from hpo.objective import Objective

FEWEST = 10  # trials with a score: fewer say little of what is to come


@dataclass(frozen=True, kw_only=True)
class Floor:
    """Why no further trial is begun, with the numbers that it was decided on."""

    noise: float
    gain: float
    trials: int  # with a score
    ahead: int  # trials that are left, of which the gain is expected

    @property
    def reason(self) -> str:
        return (
            f"the {self.ahead} trials that are left are expected to gain {self.gain:.2g} at most, "
            f"less than the seed noise of {self.noise:.2g}"
        )


def floor(history: History, objective: Objective, planned: int) -> Floor | None:
    """None while the search is to go on; `planned` is how many trials it may try."""
    noise = seed_noise(history, objective)
    values = [
        objective.sign * value
        for trial in history.ended
        if trial.state in REGULAR and (value := trial.value(objective)) is not None
    ]
    ahead = planned - len(history.trials)
    if noise is None or len(values) < FEWEST or ahead < 1:
        return None
    gain = expected_gain(values, ahead)
    return Floor(noise=noise, gain=gain, trials=len(values), ahead=ahead) if gain < noise else None


def repeated(history: History) -> int | None:
    """The trial that is repeated for its noise: the first to come to its full end, whatever its score."""
    return next((trial.number for trial in history.ended if trial.state is State.COMPLETE), None)


def seed_noise(history: History, objective: Objective) -> float | None:
    """Standard deviation of one configuration's score from seed to seed; None while its repeats run.

    Its own run counts, for it was not chosen by its score.
    """
    trial = repeated(history)
    runs = [run for run in history.repeats if run.confirms == trial]
    if trial is None or not all(run.state.ended for run in runs):
        return None
    of_trial = [history.trials[trial], *(run for run in runs if run.state in REGULAR)]
    values = [value for run in of_trial if (value := run.value(objective)) is not None]
    return stdev(values) if len(values) > 1 else None


def expected_gain(values: Sequence[float], ahead: int) -> float:
    """By which the best of two values or more rises at most with `ahead` more, larger being better."""
    last = min(len(values) // 2, ahead)
    return ahead / last * (max(values) - mean_of_best(values, len(values) - last))


def mean_of_best(values: Sequence[float], count: int) -> float:
    """Over all choices of so many of them."""
    choices = comb(len(values), count)
    return sum(comb(below, count - 1) / choices * value for below, value in enumerate(sorted(values)))

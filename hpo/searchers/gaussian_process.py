"""Gaussian process with expected improvement (Jones et al. 1998; the process and its search by Optuna's GPSampler).

For few and costly trials, up to some hundred: a proposal takes a second or so. It learns from the order of the trials
and not from their scores: each counts as the normal deviate of its rank, so that one outlier, a trial that broke down
or one that was stopped early spoils nothing (Salinas et al. 2020, arXiv:1909.13595). Trials without a score yet are
taken into account. Optuna holds no truth: each proposal is made by a study of its own, of the best and the latest
trials, at most `MOST`.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri
from threadpoolctl import threadpool_limits

from hpo.domains import Value
from hpo.history import History
from hpo.objective import Objective
from hpo.searchers.drawing import allowed, at_random, generator
from hpo.searchers.observations import Floats, Observations
from hpo.searchers.parzen import choices
from hpo.space import Space

MOST = 200
TRIES = 3  # points until one is new and allowed


@dataclass(kw_only=True)
class GaussianProcess:
    space: Space
    objective: Objective
    seed: int
    rungs: tuple[float, ...] = ()  # budgets in epochs at which trials are compared; empty: only their ends are
    random_starts: int = 10  # trials that end before the process is asked

    def __post_init__(self) -> None:
        if self.random_starts < 2:
            raise ValueError(f"`random_starts` must be at least 2, got {self.random_starts}; try 10")
        self._seen = Observations(self.space, self.objective, self.rungs)

    def propose(self, history: History) -> dict[str, Value]:
        seen, random = self._seen, generator(self.seed, history)
        seen.update(history)
        ranked = seen.ranked(self.random_starts)
        if len(ranked) < self.random_starts or not self.space.varied:
            return at_random(seen, random)
        deviates = dict(zip(ranked.tolist(), -ndtri((np.arange(len(ranked)) + 0.5) / len(ranked)), strict=True))
        kept = sorted({*ranked[: MOST // 2].tolist(), *np.sort(ranked)[-(MOST // 2) :].tolist()})
        points = np.nan_to_num(seen.shares, nan=0.5)
        for _ in range(TRIES):
            point = proposal(
                points[kept],
                np.array([deviates[number] for number in kept]),
                points[seen.empty()],
                choices(self.space).tolist(),
                seed=int(random.integers(2**32)),
            )
            if found := allowed(seen, point[None, :]):
                return found[0]
        return at_random(seen, random)


def proposal(points: Floats, values: Floats, pending: Floats, cells: list[int], seed: int) -> Floats:
    """The point of the cube where most improvement over `values` (larger is better) at `points` is expected."""
    import optuna
    from optuna.distributions import CategoricalDistribution, FloatDistribution
    from optuna.trial import TrialState, create_trial

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    names = [str(column) for column in range(len(cells))]
    kinds = [CategoricalDistribution(range(count)) if count else FloatDistribution(0.0, 1.0) for count in cells]

    def told(point: Floats, state: TrialState, value: float | None = None) -> optuna.trial.FrozenTrial:
        shares = zip(point.tolist(), cells, strict=True)
        params = [min(int(share * count), count - 1) if count else share for share, count in shares]
        return create_trial(
            state=state,
            value=value,
            params=dict(zip(names, params, strict=True)),
            distributions=dict(zip(names, kinds, strict=True)),
        )

    # one thread: such small matrices gain nothing from more, and the sums come out alike on any machine
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the process says of its own numerics
        sampler = optuna.samplers.GPSampler(seed=seed, n_startup_trials=0)
        study = optuna.create_study(sampler=sampler, direction="maximize")
        study.add_trials([told(p, TrialState.COMPLETE, v) for p, v in zip(points, values.tolist(), strict=True)])
        study.add_trials([told(point, TrialState.RUNNING) for point in pending])
        ask = study.ask(dict(zip(names, kinds, strict=True)))
    return np.array(
        [(ask.params[n] + 0.5) / count if count else ask.params[n] for n, count in zip(names, cells, strict=True)]
    )

"""Tree-structured Parzen estimator (Bergstra et al. 2011, NeurIPS 24; multivariate: Falkner et al. 2018), by Optuna.

Optuna holds no truth: each proposal is made by a fresh in-memory study to which every trial of the history is added,
with a sampler seeded from (study seed, number of the ask). So a proposal after a crash equals the one without it.
"""

import math
import warnings
from dataclasses import dataclass
from hashlib import sha256

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from hpo.history import History, State, Trial
from hpo.objective import Objective
from hpo.space import Choice, Domain, Integer, LogInteger, LogUniform, Space, Uniform, Value, parents_first

RANDOM_STARTS = 10  # trials before the model proposes: the default of the field


@dataclass(frozen=True, kw_only=True)
class TPE:
    space: Space
    objective: Objective
    seed: int

    def propose(self, history: History) -> dict[str, Value]:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = optuna.create_study(
            sampler=self._sampler(ask=len(history.trials)),
            direction="maximize" if self.objective.sign > 0 else "minimize",
        )
        study.add_trials([self._told(trial) for trial in history.trials])
        ask = study.ask()
        params: dict[str, Value] = {}
        for name in parents_first(self.space):
            if self.space[name].applies(params):
                params[name] = ask._suggest(name, distribution(self.space[name].domain))
        return params

    def _sampler(self, ask: int) -> optuna.samplers.TPESampler:
        seed = int.from_bytes(sha256(f"{self.seed}/{ask}".encode()).digest()[:4], "big")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # `group`: conditional spaces
            return optuna.samplers.TPESampler(
                multivariate=True, group=True, constant_liar=True, n_startup_trials=RANDOM_STARTS, seed=seed
            )

    def _told(self, trial: Trial) -> FrozenTrial:
        """COMPLETE only at full budget; a stopped trial is PRUNED with its curve, a diverged one the worst of those."""
        metric = self.objective.metric
        curve = {e.step: e.metrics.get(metric, math.nan) for e in trial.evaluations}
        if trial.state is State.DIVERGED:
            curve[max(curve, default=0) + 1] = math.nan  # how Optuna ranks below every number
        state, value = TOLD[trial.state], None
        if state is TrialState.COMPLETE:
            value = trial.value(self.objective)
            state = TrialState.COMPLETE if value is not None else TrialState.FAIL
        return create_trial(
            state=state,
            value=value,
            params=dict(trial.params),
            distributions={name: distribution(self.space[name].domain) for name in trial.params},
            intermediate_values=curve,
        )


TOLD = {
    State.WAITING: TrialState.RUNNING,
    State.RUNNING: TrialState.RUNNING,
    State.COMPLETE: TrialState.COMPLETE,
    State.PRUNED: TrialState.PRUNED,
    State.DIVERGED: TrialState.PRUNED,
    State.FAILED: TrialState.FAIL,
}


def distribution(domain: Domain) -> BaseDistribution:
    match domain:
        case Uniform(low, high):
            return FloatDistribution(low, high)
        case LogUniform(low, high):
            return FloatDistribution(low, high, log=True)
        case Integer(low, high):
            return IntDistribution(low, high)
        case LogInteger(low, high):
            return IntDistribution(low, high, log=True)
        case Choice(values):
            return CategoricalDistribution(values)

"""Trials that differ in nothing but their seed: the only ones that say what luck of the seed is worth."""

import pandas as pd

from dashboards.study import StudyData, records


def data(study: StudyData) -> pd.DataFrame:
    """A row per configuration that came to its end with more than one seed: trials, runs, mean, sd, of_winner.

    A parameter called `seed` tells them apart; trials that are alike in all parameters are one run twice. A trial that
    was trained again with fresh seeds is told by these runs alone: its own was perhaps chosen by its score.
    """
    seeds = [name for name in map(str, study.params) if name.rpartition(".")[2] == "seed"]
    named = [name for name in map(str, study.params) if name not in seeds]
    ended = study.trials[(study.trials["state"] == "COMPLETE") & study.trials["value"].notna()]
    alike: dict[str, dict[str, int]] = {}
    for trial, params in zip(ended["trial"], records(study.params.loc[ended.index]), strict=True):
        of_seeds = repr([params[name] for name in seeds])
        alike.setdefault(repr([params[name] for name in named]), {})[of_seeds] = trial
    values = ended.set_index("trial")["value"]
    rows = []
    for runs in alike.values():
        trials = [*runs.values()]
        if len(trials) > 1:
            rows.append((trials, len(trials), values[trials].mean(), values[trials].std(), study.winner in trials))
    again = study.repeats[study.repeats["value"].notna()]
    for trial in again["trial"].unique():
        scores = again.loc[again["trial"] == trial, "value"]
        if len(scores) > 1:
            rows.append(([int(trial)], len(scores), scores.mean(), scores.std(), study.winner == trial))
    return pd.DataFrame(rows, columns=["trials", "runs", "mean", "sd", "of_winner"])


def seed_noise(study: StudyData) -> float | None:
    """Standard deviation between seeds, pooled over configurations; None where nothing was repeated."""
    found = data(study)
    if found.empty:
        return None
    freedom = found["runs"] - 1
    return float(((found["sd"] ** 2 * freedom).sum() / freedom.sum()) ** 0.5)

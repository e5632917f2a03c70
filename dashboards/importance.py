"""Which parameters the ranking of the trials hung on, with how sure that is.

A forest of randomized trees (Geurts et al. 2006, doi:10.1007/s10994-006-6226-1) learns each trial's rank from its
parameters on a bootstrap sample of the trials; on those left out it is measured how much worse it gets when one
parameter is shuffled (permutation importance, Breiman 2001). Repeating that gives the intervals. Ranks are used instead
of values because a few absurd trials would otherwise decide everything.
"""

from dataclasses import dataclass

import altair as alt
import numpy as np
import pandas as pd

from dashboards.section import Figure, Section, empty, table
from dashboards.study import StudyData, Words
from dashboards.theme import BAR, Chart, tip

REPEATS = 30  # bootstrap samples of the trials
TREES = 20
SHUFFLES = 2
FEWEST = 10  # trials that anything is said from
PER_PARAMETER = 5  # trials for each parameter, or a warning
MOST = 1000  # trials of one sample: more do not move the bars


@dataclass(frozen=True, kw_only=True)
class Importance:
    """`frame` has a row per parameter, the greatest first: parameter, importance, low, high (of 90 % of the samples).

    An importance is the share of the ranks' variance that is lost with the parameter. `explained` is the share that the
    forest explains of trials it has not seen (R squared): at 0 or below the bars mean nothing.
    """

    frame: pd.DataFrame
    explained: float
    trials: int

    @property
    def few(self) -> bool:
        return self.trials < max(PER_PARAMETER * len(self.frame), 2 * FEWEST)

    @property
    def believable(self) -> bool:
        return not self.few and self.explained > 0.1


def data(study: StudyData, seed: int = 0) -> Importance | None:
    """None where there are too few trials, or where all did alike."""
    from sklearn.ensemble import ExtraTreesRegressor
    from sklearn.inspection import permutation_importance

    ranks = study.ranks()
    rows = study.trials["trial"].isin(ranks.index).to_numpy()
    shares = study.shares[rows]
    # where a parameter did not apply it stands in the middle, so that its absence says nothing
    shares = shares.loc[:, shares.nunique() > 1].fillna(0.5)
    if len(shares) < FEWEST or shares.empty or ranks.nunique() < 2:
        return None
    inputs, outputs = shares.to_numpy(float), ranks.to_numpy(float)
    random = np.random.default_rng(seed)
    lost, explained = [], []
    for _ in range(REPEATS):
        chosen = random.integers(len(inputs), size=min(len(inputs), MOST))
        left_out = np.setdiff1d(np.arange(len(inputs)), chosen)[:MOST]
        state = int(random.integers(2**31))
        forest = ExtraTreesRegressor(TREES, min_samples_leaf=2, max_features=1.0, random_state=state)
        forest.fit(inputs[chosen], outputs[chosen])
        worse = permutation_importance(
            forest, inputs[left_out], outputs[left_out], scoring="r2", n_repeats=SHUFFLES, random_state=state
        )
        lost.append(worse.importances_mean / 2)  # shuffling an input costs twice the variance that it explains
        explained.append(forest.score(inputs[left_out], outputs[left_out]))
    low, middle, high = np.quantile(lost, (0.05, 0.5, 0.95), axis=0)
    frame = pd.DataFrame({"parameter": shares.columns, "importance": middle, "low": low, "high": high})
    return Importance(
        frame=frame.sort_values("importance", ascending=False, ignore_index=True, kind="stable"),
        explained=float(np.median(explained)),
        trials=len(inputs),
    )


def draw(importance: Importance, words: Words) -> Chart:
    frame = importance.frame
    y = alt.Y("parameter:N", sort=[*frame["parameter"]], title=None, axis=alt.Axis(labelLimit=260))
    x = alt.X("importance:Q", title=words["importance_axis"])
    names = ("importance", "low", "high")
    tooltip = [tip("parameter:N", words["parameter"])]
    tooltip += [tip(f"{name}:Q", words[f"importance_{name}"], ".2f") for name in names]
    base = alt.Chart(frame)
    bars = base.mark_bar(height=12, color="var(--complete)").encode(x=x, y=y, tooltip=tooltip)
    spread = base.mark_rule(strokeWidth=2, color="var(--ink)").encode(x="low:Q", x2="high:Q", y=y)
    return (bars + spread).properties(height=BAR * len(frame))


def section(study: StudyData, found: Importance | None, words: Words) -> Section:
    if not study.parameters:
        return empty("importance", words, "why_no_parameters")
    if found is None:
        return empty("importance", words, "why_few_trials", needed=FEWEST, count=len(study.ranks()))
    explained = max(found.explained, 0.0)
    text = [words["text_importance"].format(trials=found.trials, repeats=REPEATS, explained=explained)]
    if found.few:
        why = words["weak_few"].format(trials=found.trials, parameters=len(found.frame))
        text.append(words["text_importance_weak"].format(why=why))
    elif not found.believable:
        text.append(words["text_importance_weak"].format(why=words["weak_unexplained"]))
    columns = {words["parameter"]: ("parameter", "text")}
    columns |= {words[f"importance_{name}"]: (name, ".3f") for name in ("importance", "low", "high")}
    return Section(
        name="importance",
        title=words["section_importance"],
        text=text,
        figures=[Figure(chart=draw(found, words), says=text[0])],
        tables=[table(found.frame, columns, folded=words["numbers"])],
    )

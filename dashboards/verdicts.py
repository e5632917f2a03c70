"""What the trials say about each range: widen it, narrow it, freeze it, or leave it as it is.

The rules, in shares of a range (0 its low end, 1 its high end):
- edge    the winner lies within 5 % of an end: there may be better beyond, and that end moves out by half a range.
          Ends at 0 and 1 are taken for natural borders, and stay.
- flat    with 90 % certainty the parameter decides less than 2 % of the ranks: it is frozen at the winner's value.
- narrow  with 95 % certainty it decides more: the range shrinks to where the best quarter of the trials lies, with a
          tenth on either side, never below a quarter of what it was; a choice loses values that were tried three times
          or more and are in none of the better half.
Of `flat` and `narrow` nothing is said where the importance is not to be believed.
"""

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from dashboards.importance import Importance
from dashboards.study import Parameter, StudyData

FEWEST = 10  # trials with the parameter
DECIDES = 0.02  # share of the ranks' variance
MOVES = 0.5
MARGIN = 0.1
NARROWEST = 0.25
WORTH = 0.9  # of a range: what is narrowed less is left alone
TRIED = 3

Kind = Literal["keep", "widen_low", "widen_high", "narrow", "freeze", "refused"]  # refused: cannot be widened


@dataclass(frozen=True, kw_only=True)
class Verdict:
    parameter: Parameter
    kind: Kind = "keep"
    low: float = 0.0  # the new ends, as shares of the old range
    high: float = 1.0
    dropped: tuple[str, ...] = ()  # of a choice


def data(study: StudyData, importance: Importance | None) -> list[Verdict]:
    """One for each parameter, in their order."""
    believed = importance.frame if importance and importance.believable else pd.DataFrame(columns=["parameter"])
    decides = {str(row["parameter"]): (row["low"], row["high"]) for row in believed.to_dict("records")}
    return [judge(study, parameter, decides.get(parameter.name)) for parameter in study.parameters]


def judge(study: StudyData, parameter: Parameter, decides: tuple[float, float] | None) -> Verdict:
    """`decides`: both ends of the interval of its importance, where that is to be believed."""
    by_trial = dict(zip(study.trials["trial"], study.shares[parameter.name], strict=True))
    shares = pd.Series({trial: by_trial[trial] for trial in study.scored["trial"]}, dtype=float).dropna()  # best first
    if study.winner not in shares.index or len(shares) < FEWEST or shares.nunique() < 2:
        return Verdict(parameter=parameter)
    at = float(by_trial[study.winner])
    if decides and decides[1] < DECIDES and not parameter.conditional:
        return Verdict(parameter=parameter, kind="freeze", low=at, high=at)
    matters = decides is not None and decides[0] > DECIDES
    if parameter.scale == "category":
        return of_choice(study, parameter, shares) if matters else Verdict(parameter=parameter)
    low, high = spread(shares) if matters else (0.0, 1.0)
    if at <= parameter.edge and parameter.low != 0:
        return Verdict(parameter=parameter, kind="widen_low", low=-MOVES, high=high)
    if at >= 1 - parameter.edge and parameter.high != 1:
        return Verdict(parameter=parameter, kind="widen_high", low=low, high=1 + MOVES)
    if high - low > WORTH:
        return Verdict(parameter=parameter)
    return Verdict(parameter=parameter, kind="narrow", low=low, high=high)


def spread(shares: pd.Series) -> tuple[float, float]:
    """Where the best quarter lies, with a margin; a quarter of the range at the least."""
    best = shares.iloc[: max(5, -(-len(shares) // 4))]
    low, high = max(float(best.min()) - MARGIN, 0.0), min(float(best.max()) + MARGIN, 1.0)
    width = max(high - low, NARROWEST)
    start = min(max((low + high - width) / 2, 0.0), 1.0 - width)
    return start, start + width


def of_choice(study: StudyData, parameter: Parameter, shares: pd.Series) -> Verdict:
    values = study.params[parameter.name].astype(str).set_axis(study.trials["trial"])
    tried, better = values[shares.index], values[shares.index[: -(-len(shares) // 2)]]
    counts = tried.value_counts()
    dropped = tuple(value for value in parameter.values if counts.get(value, 0) >= TRIED and value not in {*better})
    return Verdict(parameter=parameter, kind="narrow" if dropped else "keep", dropped=dropped)

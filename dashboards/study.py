"""What a page about a study is made from: frames and plain values, whoever computed them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

Words = Mapping[str, str]  # the texts of one language, by name

DRAWN = 300  # trials that a figure shows one by one: more are neither told apart nor drawn quickly
SQUEEZED = 2  # times the range of the others
DRAWN_BEST = 100  # of them for certain; the others are taken evenly from the rest

PROGRESS = ["trial", "ended", "hypervolume", "front"]
REPEATED = ["trial", "seed", "state", "value"]
FINALISTS = ["trial", "search", "mean", "low", "high", "optimism", "behind", "behind_low", "behind_high", "seconds"]
FINALISTS += ["alike", "chosen", "reason"]


def said(value: object) -> str:
    """A parameter's value: four significant digits are enough to recognise a number by."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows, one after the other."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """What was searched: an axis of the figures."""

    name: str
    scale: Literal["linear", "log", "category"]
    low: float = 0.0  # both ends, where the scale is no category
    high: float = 0.0
    values: tuple[str, ...] = ()  # in their order, where it is one
    edge: float = 0.05  # a share as near to an end as this counts as lying there
    conditional: bool = False  # trials may lack it


@dataclass(frozen=True, kw_only=True)
class Aim:
    """One of several objectives."""

    metric: str
    higher_is_better: bool


@dataclass(frozen=True, kw_only=True)
class StudyData:
    """A study so far.

    trials   a row per trial, in order: trial, state, value (best; nan for none), best_step, epochs, seconds, attempts,
             reason, asked, ended (seconds since 1970)
    params   the same rows, a column per parameter: its value, or None where it did not apply
    shares   the same as numbers: 0 at the low end of the range, 1 at the high end, on the range's own scale; nan
    reports  a row per evaluation: trial, state, step, epoch, value (nan for none), seconds, time
    rungs    a row per trial that the scheduler judged at a rung: trial, rung (epochs)
    repeats  a row per run of a trial's parameters with another seed: trial, seed, state, value (nan for none)
    finalists  a row per trial that was trained again with fresh seeds, the best mean first: trial, search (its score
             there), mean, low, high (95 %; nan: not confirmed), optimism (what the search promised too much), behind,
             behind_low, behind_high (the best mean's lead, 95 %; nan of the best itself), seconds (of a run), alike
             (cannot be told from the best mean), chosen, reason (why it is not confirmed)

    Of a study with several objectives `aims` names all, `metric` being the first, and there is no winner:

    values   the rows of `trials`, a column per metric: its values at the report that is best in the first; nan for none
    front    trials that no other is better than in all; the best in the first one first
    progress a row per trial that changed the front: trial, ended (trials by then), hypervolume (0 to 1), front (trials)
    """

    name: str
    state: str  # finished, running or interrupted
    reason: str  # why it ended
    planned: int  # trials
    metric: str
    higher_is_better: bool
    winner: int | None
    parameters: tuple[Parameter, ...]
    trials: pd.DataFrame
    params: pd.DataFrame
    shares: pd.DataFrame
    reports: pd.DataFrame
    rungs: pd.DataFrame
    repeats: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=REPEATED))
    finalists: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=FINALISTS))
    aims: tuple[Aim, ...] = ()
    values: pd.DataFrame = field(default_factory=pd.DataFrame)
    front: tuple[int, ...] = ()
    progress: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=PROGRESS))
    evaluation: Mapping[str, Any] = field(default_factory=dict)  # what the winner's best checkpoint says of itself
    data: Mapping[str, Any] = field(default_factory=dict)  # what was found in the rows before the start
    test: Mapping[str, Any] = field(default_factory=dict)  # of the sealed rows, once opened: metrics, targets ...
    origin: Mapping[str, str] = field(default_factory=dict)  # versions, seed, commands: for the record

    @property
    def sign(self) -> int:
        return 1 if self.higher_is_better else -1

    @property
    def scored(self) -> pd.DataFrame:
        """Trials with a value, best first; ties go to the earlier."""
        with_value = self.trials[self.trials["value"].notna()]
        return with_value.sort_values(["value", "trial"], ascending=[not self.higher_is_better, True])

    @property
    def winning(self) -> dict[str, Any] | None:
        """The winner's row of `trials`."""
        return next(iter(records(self.trials[self.trials["trial"] == self.winner])), None)

    def limit(self) -> float | None:
        """Where figures of the value end on its bad side, if a tenth of the reports would squeeze all the others."""
        worth = (self.sign * self.reports["value"]).dropna()
        if len(worth) < 10:
            return None
        least, tenth, most = worth.min(), worth.quantile(0.1), worth.max()
        return None if tenth - least <= SQUEEZED * (most - tenth) else float(self.sign * tenth)

    def ranks(self) -> pd.Series:
        """By trial, 1 for the best value and 0 for the worst: how much of the list it leaves behind.

        Ranks are not moved by absurd values. A diverged trial counts as the worst; a failed one does not count.
        """
        counted = self.trials[self.trials["value"].notna() | (self.trials["state"] == "DIVERGED")]
        worth = (self.sign * counted["value"]).where(counted["state"] != "DIVERGED").fillna(-float("inf"))
        worth.index = pd.Index(counted["trial"])
        return (worth.rank() - 1) / max(len(worth) - 1, 1)

    def drawn(self) -> set[int]:
        """Which trials are shown one by one: all, or the best and an even choice of the rest."""
        ranked = [*self.scored["trial"], *self.trials.loc[self.trials["value"].isna(), "trial"]]
        if len(ranked) <= DRAWN:
            return set(ranked)
        rest = ranked[DRAWN_BEST:]
        return {*ranked[:DRAWN_BEST], *rest[:: -(-len(rest) // (DRAWN - DRAWN_BEST))]}

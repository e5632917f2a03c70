"""Whether earlier studies help: the trials that they proposed against those drawn at random as controls.

Trials are ranked as searchers rank them, so one that was stopped early counts by how far it came. How often a trial of
the one kind is better than one of the other, and whether that may be chance: Mann and Whitney (1947), two-sided.
"""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from hpo.history import History
from hpo.objective import Objective
from hpo.searchers.searcher import CONTROL
from hpo.space import Space

CHANCE = 0.05
OF_A_STUDY = "study "  # how the source of a trial begins that an earlier study proposed


@dataclass(frozen=True)
class Verdict:
    studies: dict[str, int]  # trials that each earlier study proposed and that ended
    controls: int  # trials that ended
    better: float | None  # share of the pairs in which a proposed trial is better than a control
    p: float | None  # that so much, or more, comes by chance

    @property
    def outcome(self) -> str:
        """`helped`, `hurt`, or `open` where it cannot be told yet."""
        if self.better is None or self.p is None or self.p > CHANCE:
            return "open"
        return "helped" if self.better > 0.5 else "hurt"

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "outcome": self.outcome}

    @property
    def words(self) -> str:
        counts = ", ".join(f"{count} from {study}" for study, count in self.studies.items())
        said = f"warm start: {counts}; {self.controls} drawn at random as controls"
        if self.better is None or self.p is None:
            return f"{said}: too few to tell whether it helps"
        said += f"; the former are better in {self.better:.0%} of the pairs (p = {self.p:.2g}): "
        return (
            said
            + {"helped": "it helped", "hurt": "it did harm", "open": "it cannot be told whether it helps"}[self.outcome]
        )


def verdict(history: History, space: Space, objective: Objective) -> Verdict | None:
    """None for a study without earlier ones."""
    if not history.past:
        return None
    from scipy.stats import mannwhitneyu  # slow to import

    from hpo.searchers.observations import Observations

    seen = Observations(space, objective)
    seen.update(history)
    place = {n: rank for rank, n in enumerate(seen.ranked().tolist()) if history.trials[n].state.ended}
    source = {number: history.trials[number].source for number in place}
    counted = Counter(one.removeprefix(OF_A_STUDY) for one in source.values() if one.startswith(OF_A_STUDY))
    told = [-place[number] for number, one in source.items() if one.startswith(OF_A_STUDY)]
    controls = [-place[number] for number, one in source.items() if one == CONTROL]
    studies = {study: counted[study] for study in history.past}
    if not told or not controls:
        return Verdict(studies, len(controls), None, None)
    test = mannwhitneyu(told, controls, alternative="two-sided", method="exact")
    return Verdict(studies, len(controls), float(test.statistic) / (len(told) * len(controls)), float(test.pvalue))

"""Is it fair to judge trials early? A few that would be stopped train on as controls, and say so.

A small share of the losers, chosen by seed, runs to the full budget beside the search; the scheduler never hears of
them again. With the trials that had the full budget anyway they show how well a rung foretells the end (rank
correlation), and what early stopping cost (regret). Where scores at the first rung say nothing about those at the
second, the first is skipped from then on.

The test: Kendall's tau between the two rungs, over all trials that reached the second. These were chosen by their score
at the first rung alone, or by the seed alone, so where the first rung says nothing the expected tau is 0. It is tried
when 20, 40, 80 ... trials have come that far, and the rung is skipped if tau plus 1.64 standard errors lies below 0.2.
Once skipped it stays so.
"""

import math
from dataclasses import dataclass, field, replace
from random import Random

from hpo.event import Event
from hpo.history import History, State, Trial
from hpo.objective import Objective
from hpo.schedulers.decision import Action, Decision, Next, Promote, Prune
from hpo.schedulers.rung import rung_reached, score_of
from hpo.schedulers.scheduler import Scheduler, Skipping

SHARE = 1 / 20  # of the losers
FIRST_LOOK = 20  # trials at the second rung; then at twice as many each time
LEAST_TAU = 0.2
ONE_SIDED_95 = 1.64


@dataclass(kw_only=True, eq=False)
class FidelityCheck:
    scheduler: Scheduler
    objective: Objective
    seed: int = 0
    share: float = SHARE
    controls: set[int] = field(default_factory=set, init=False)
    skipped: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"`control_share` must be above 0 and at most 1, got {self.share}; try 0.05")
        self.rungs, self.needs_checkpoints = self.scheduler.rungs, self.scheduler.needs_checkpoints
        self._scores: dict[int, dict[int, float]] = {}  # trial -> rung in epochs -> score there
        self._finals: dict[int, float] = {}  # of trials that had their full budget
        self._at_second = 0
        self._look = FIRST_LOOK

    def apply(self, history: History, event: Event) -> None:
        trial = None if event.trial is None else history.trials[event.trial]
        if trial and event.kind == "reported":
            self._arrived(trial)
        if trial and event.kind == "ended":
            self._ended(trial)
        if trial and event.payload.get("control"):
            self.controls.add(trial.number)
            event = replace(event, kind="ended", payload={"state": State.PRUNED})  # to the scheduler it is over
        elif trial and trial.number in self.controls:
            return
        self.scheduler.apply(history, event)

    def judge(self, history: History, trial: Trial) -> Decision:
        if trial.number in self.controls:
            return Decision()
        said = self.scheduler.judge(history, trial)
        if said.action is Action.STOP and self._is_chosen(trial.number):
            return Decision(Action.GO_ON, f"{said.reason}; trains on as a control", {**said.inputs, "control": 1})
        return said

    def next(self, history: History) -> Next:
        said = self.scheduler.next(history)
        if isinstance(said, Prune) and self._is_chosen(said.trial):
            return Promote(said.trial, f"{said.reason}; trains on as a control", {**said.inputs, "control": 1})
        return said

    def rank_correlation(self, rung: int) -> tuple[float, int]:
        """Kendall's tau between the scores at the rung and at the full budget, and the number of trials; nan below 3.

        Each control stands for all losers that it was drawn from, so pairs of it weigh 1 / share as much.
        """
        pairs = [
            (self._scores[number][rung], final, 1 / self.share if number in self.controls else 1.0)
            for number, final in self._finals.items()
            if rung in self._scores.get(number, ())
        ]
        agree = total = 0.0
        for index, (early, late, weight) in enumerate(pairs):
            for other_early, other_late, other_weight in pairs[:index]:
                agree += weight * other_weight * _sign(early - other_early) * _sign(late - other_late)
                total += weight * other_weight
        return (agree / total if len(pairs) > 2 else math.nan), len(pairs)

    def regret(self) -> float:
        """By how much the best control beats the best of the others at the full budget; 0 where it does not."""
        controls = [final for number, final in self._finals.items() if number in self.controls]
        others = [final for number, final in self._finals.items() if number not in self.controls]
        return max(0.0, max(controls) - max(others)) if controls and others else 0.0

    def _is_chosen(self, trial: int) -> bool:
        return Random(f"{self.seed}/control/{trial}").random() < self.share

    def _arrived(self, trial: Trial) -> None:
        index, score = rung_reached(trial, self.rungs), score_of(trial, self.objective)
        if index is None or score is None:
            return
        self._scores.setdefault(trial.number, {})[self.rungs[index]] = score
        if index == 1:
            self._at_second += 1
            if self._at_second >= self._look:
                self._look *= 2
                self._test()

    def _test(self) -> None:
        """Skip the first rung where it says nothing about the second."""
        first, second = self.rungs[:2]
        both = [scores for scores in self._scores.values() if first in scores and second in scores]
        count = len(both)
        if self.skipped or count < 3 or not isinstance(self.scheduler, Skipping):
            return
        from scipy.stats import kendalltau  # slow to import

        tau = kendalltau([scores[first] for scores in both], [scores[second] for scores in both]).statistic
        error = math.sqrt(2 * (2 * count + 5) / (9 * count * (count - 1)))
        if math.isnan(tau) or tau + ONE_SIDED_95 * error < LEAST_TAU:
            self.skipped = True
            self.scheduler.skip_first_rung()

    def _ended(self, trial: Trial) -> None:
        value = trial.value(self.objective)
        if trial.state is State.COMPLETE and value is not None:
            self._finals[trial.number] = self.objective.sign * value


def _sign(number: float) -> int:
    return (number > 0) - (number < 0)

"""Hyperband (Li et al. 2018, JMLR 18), and the half of BOHB (Falkner et al. 2018, ICML) that gives out epochs.

Brackets of successive halving, from many trials on few epochs to few trials on the full budget, take turns. Within one,
all trials of a rung wait for each other, and the best 1 / reduction_factor go on. While they wait the next bracket
begins, so that no worker idles. What differs: rungs lie at first_rung * reduction_factor ** k, so they are the same in
every bracket, and whole epochs; a bracket that the trials do not suffice for takes those there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from hpo.event import Event
from hpo.history import History, Trial
from hpo.objective import Objective
from hpo.schedulers.decision import DONE, GO_ON, WAIT, Action, Decision, Next, Promote, Prune, Start
from hpo.schedulers.pausing import refuse_without_checkpoint, refuse_without_end, standing
from hpo.schedulers.rung import Rung, check_rungs, rung_epochs, score_of


def bracket_table(rungs: Sequence[int], factor: int) -> list[list[tuple[int, int]]]:
    """For each bracket its rungs as (trials, epochs); `rungs` in epochs, the full budget last. Table 1 of the paper."""
    most = len(rungs) - 1
    table = []
    for s in range(most, -1, -1):
        trials = -(-(most + 1) * factor**s // (s + 1))
        table.append([(trials // factor**i, rungs[most - s + i]) for i in range(s + 1)])
    return table


@dataclass(kw_only=True, eq=False)
class Hyperband:
    objective: Objective
    max_epochs: int | None
    first_rung: int = 1  # epochs that every trial of the widest bracket gets
    reduction_factor: int = 3
    trials: int | None = None
    rungs: tuple[int, ...] = field(init=False)  # epochs, the full budget last
    needs_checkpoints: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_rungs(self.first_rung, self.reduction_factor)
        self.rungs = rung_epochs(self.first_rung, self.reduction_factor, refuse_without_end(self.max_epochs))
        self._table = bracket_table(self.rungs, self.reduction_factor)
        self._skipped = -1  # epochs of the rung that no bracket has any more
        self._brackets: list[Bracket] = []
        self._open: dict[int, Bracket] = {}  # those with trials that have not ended, the oldest first

    def apply(self, history: History, event: Event) -> None:
        if event.kind == "asked":
            self._asked(history.trials[-1])
        elif event.kind in ("paused", "continued", "ended"):
            trial = history.trials[event.trial]  # type: ignore[index]
            bracket = self._brackets[trial.bracket]
            if event.kind == "paused":
                bracket.pause(trial.number, score_of(trial, self.objective) or 0.0)
            elif event.kind == "continued":
                bracket.go_on(trial.number)
            else:
                bracket.end(trial.number)
                if not bracket.level_of:
                    self._open.pop(trial.bracket, None)

    def judge(self, history: History, trial: Trial) -> Decision:
        refuse_without_checkpoint(trial)
        bracket = self._brackets[trial.bracket]
        level = bracket.level_of[trial.number]
        if level == len(bracket.levels) or trial.evaluations[-1].epoch < bracket.levels[level].rung.epochs:
            return GO_ON
        epochs, value = bracket.levels[level].rung.epochs, trial.value(self.objective)
        reason = f"epoch {epochs}: {self.objective.metric} {value:.4f} waits for the rest of bracket {trial.bracket}"
        return Decision(Action.PAUSE, reason, {"rung": epochs, "score": value or 0.0, "bracket": trial.bracket})

    def next(self, history: History) -> Next:
        left = self.trials is None or len(history.trials) < self.trials
        for bracket in self._open.values():
            if said := bracket.next(self.objective, closed=bracket.is_full or not left):
                return said
        if left:
            last = len(self._brackets) - 1
            return Start(last if self._brackets and not self._brackets[last].is_full else last + 1)
        return WAIT if history.running or history.waiting else DONE

    def skip_first_rung(self) -> None:
        """From the next bracket on."""
        self._skipped = self.rungs[0]

    def _asked(self, trial: Trial) -> None:
        if trial.bracket == len(self._brackets):
            sizes = self._table[trial.bracket % len(self._table)]
            sizes = sizes[1:] if sizes[0][1] == self._skipped else sizes
            self._open[trial.bracket] = Bracket(sizes, self.reduction_factor)
            self._brackets.append(self._open[trial.bracket])
        self._brackets[trial.bracket].begin(trial.number)


class Level:
    """A rung of one bracket, and the trials on their way to it and beyond it, in numbers."""

    def __init__(self, epochs: int) -> None:
        self.rung = Rung(epochs)
        self.waiting = Rung(epochs)
        self.climbing = 0  # on their way
        self.promoted = 0


class Bracket:
    def __init__(self, sizes: Sequence[tuple[int, int]], factor: int) -> None:
        self.size, self.factor = sizes[0][0], factor
        self.begun = 0
        self.levels = [Level(epochs) for _, epochs in sizes[:-1]]  # at the full budget nothing is decided
        self.level_of: dict[int, int] = {}  # trial that has not ended -> index of the level that it climbs to or is at

    @property
    def is_full(self) -> bool:
        return self.begun == self.size

    def begin(self, trial: int) -> None:
        self.begun += 1
        self._climb(trial, 0)

    def pause(self, trial: int, score: float) -> None:
        level = self.levels[self.level_of[trial]]
        level.climbing -= 1
        level.rung.record(trial, score)
        level.waiting.record(trial, score)

    def go_on(self, trial: int) -> None:
        level = self.levels[self.level_of[trial]]
        level.waiting.discard(trial)
        level.promoted += 1
        self._climb(trial, self.level_of[trial] + 1)

    def end(self, trial: int) -> None:
        index = self.level_of.pop(trial)
        if index < len(self.levels):
            level = self.levels[index]
            if trial in level.waiting:
                level.waiting.discard(trial)
            else:
                level.climbing -= 1

    def next(self, objective: Objective, closed: bool) -> Promote | Prune | None:
        """`closed`: no more trials will begin. A level is settled when none climbs to it any more."""
        for index, level in enumerate(self.levels):
            if not closed or level.climbing:
                return None
            best = min(max(1, self.begun // self.factor ** (index + 1)), len(level.rung))
            if level.waiting:
                trial = level.waiting.first()
                said = standing(level.rung, trial, level.rung.rank(trial), best, objective)
                return Promote(trial, *said) if level.promoted < best else Prune(trial, *said)
        return None

    def _climb(self, trial: int, index: int) -> None:
        self.level_of[trial] = index
        if index < len(self.levels):
            self.levels[index].climbing += 1

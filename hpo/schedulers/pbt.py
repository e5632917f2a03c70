"""Population based training (Jaderberg et al. 2017, arXiv:1711.09846), as trials that begin where another stands.

All members of the population train side by side. At each interval a member among the worst ends, and a child goes on
in its place from the last checkpoint of one of the best, with that one's parameters perturbed (times 0.8 or 1.2, a
neighbour among ordered values) or, one in four, drawn anew. So a trial keeps one set of parameters from its beginning
to its end, and a member's life is read along its parents. Search only what may change in mid-training. A member that
diverged is replaced too. With fewer workers than members, those who are behind go first.
"""

import math
from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from sortedcontainers import SortedList

from hpo.domains import Choice, Constant, Domain, OrderedChoice, Value
from hpo.event import Event
from hpo.history import History, State, Trial
from hpo.objective import Objective
from hpo.schedulers.decision import DONE, GO_ON, WAIT, Action, Decision, Next, Promote, Start
from hpo.schedulers.pausing import refuse_without_checkpoint, refuse_without_end
from hpo.schedulers.rung import Rung
from hpo.space import Params, Space, sample

MEMBERS = 8  # where the number of trials is not given
FACTORS = (0.8, 1.2)
TRIES = 20  # perturbations until one meets all constraints; else all parameters are drawn


@dataclass(kw_only=True, eq=False)
class PBT:
    objective: Objective
    max_epochs: int | None
    space: Space | None = None
    interval: int = 1  # epochs between two exchanges
    quantile: float = 0.25  # of the population that is replaced, and that is copied
    resample: float = 0.25  # probability that a parameter is drawn anew
    trials: int | None = None  # members; their children come on top
    seed: int = 0
    needs_checkpoints: ClassVar[bool] = True
    rungs: ClassVar[tuple[int, ...]] = ()

    def __post_init__(self) -> None:
        self._full = refuse_without_end(self.max_epochs)
        if self.interval < 1:
            raise ValueError(f"`interval` must be at least 1 epoch, got {self.interval}")
        if not 0 < self.quantile <= 0.5:
            raise ValueError(f"`quantile` must be above 0 and at most 0.5, got {self.quantile}; try 0.25")
        if not 0 <= self.resample <= 1:
            raise ValueError(f"`resample` must be from 0 to 1, got {self.resample}; try 0.25")
        self._begun = 0  # members
        self._vacant = 0  # places of members to be replaced
        self._copied: Counter[tuple[int, int]] = Counter()  # children that began from (trial, step)
        self._population = Rung(0)  # scores of the living members at their last interval
        self._paused = SortedList()  # of (epochs trained, trial)

    def apply(self, history: History, event: Event) -> None:
        if event.kind == "asked":
            if parent := history.trials[-1].parent:
                self._vacant -= 1
                self._copied[parent] += 1
            else:
                self._begun += 1
        elif event.kind in ("reported", "paused", "continued", "ended"):
            trial = history.trials[event.trial]  # type: ignore[index]
            if event.kind == "reported":
                score = self._score(trial)
                if score is not None and self._exchanges(trial):
                    self._population.record(trial.number, score)
            elif event.kind == "paused":
                self._paused.add((trial.evaluations[-1].epoch, trial.number))
            else:
                if trial.evaluations:
                    self._paused.discard((trial.evaluations[-1].epoch, trial.number))
                if event.kind == "ended":
                    self._ended(trial)

    def judge(self, history: History, trial: Trial) -> Decision:
        refuse_without_checkpoint(trial)
        if not self._exchanges(trial):
            return GO_ON
        rank, size, epoch = self._population.rank(trial.number), len(self._population), trial.evaluations[-1].epoch
        score = trial.evaluations[-1].metrics[self.objective.metric]
        inputs = {"rung": epoch, "score": score, "rank": rank + 1, "trials": size}
        reason = f"epoch {epoch:g}: {self.objective.metric} {score:.4f} is number {rank + 1} of {size}"
        if rank >= size - self._of_each_end():
            return Decision(Action.STOP, f"{reason}; a child of one of the best takes its place", inputs)
        others_first = self._begun < self._members or self._vacant or (self._paused and self._paused[0][0] < epoch)
        return Decision(Action.PAUSE if others_first else Action.GO_ON, reason, inputs)

    def next(self, history: History) -> Next:
        if self._begun < self._members:
            return Start()
        donor = self._donor(history)
        if self._paused and (donor is None or self._paused[0][0] < donor.evaluations[-1].epoch):
            return _go_on(history.trials[self._paused[0][1]], "no member is further behind")
        if donor is None:
            return WAIT if history.running or history.waiting else DONE
        copies = self._copied[donor.number, donor.last_step]
        if donor.state is State.PAUSED and copies >= self._members:
            return _go_on(donor, f"it was copied {copies} times")  # else its children might be replaced for ever
        random = Random(f"{self.seed}/explore/{len(history.trials)}")
        assert self.space is not None
        params = explore(self.space, donor.params, self.resample, random)
        return Start(params=params, parent=(donor.number, donor.last_step))

    @property
    def _members(self) -> int:
        return self.trials or MEMBERS

    def _of_each_end(self) -> int:
        size = len(self._population)
        return min(math.ceil(size * self.quantile), size // 2)

    def _donor(self, history: History) -> Trial | None:
        """One of the best, for the next vacant place."""
        if not self._vacant or not self._population:
            return None
        best = [one for one in self._population.best(max(1, self._of_each_end())) if history.trials[one].evaluations]
        return history.trials[Random(f"{self.seed}/donor/{len(history.trials)}").choice(best)] if best else None

    def _exchanges(self, trial: Trial) -> bool:
        """The last report is the first at or after a multiple of the interval, short of the full budget."""
        now = trial.evaluations[-1].epoch
        before = trial.evaluations[-2].epoch if len(trial.evaluations) > 1 else trial.from_epoch
        return now < self._full and now // self.interval > before // self.interval

    def _score(self, trial: Trial) -> float | None:
        """The present one, not the best so far; None where the trial has broken down."""
        last = trial.evaluations[-1]
        score = self.objective.sign * last.metrics.get(self.objective.metric, math.nan)
        return score if math.isfinite(score) and not last.diverged else None

    def _ended(self, trial: Trial) -> None:
        """One that diverged before its first exchange has no place yet: its children would do so again and again."""
        if trial.number in self._population:
            self._population.discard(trial.number)
            self._vacant += trial.state in (State.PRUNED, State.DIVERGED)


def _go_on(trial: Trial, why: str) -> Promote:
    return Promote(trial.number, f"epoch {trial.evaluations[-1].epoch:g}: {why}")


def explore(space: Space, params: Params, resample: float, random: Random) -> dict[str, Value]:
    """Near `params`, inside all constraints."""
    for _ in range(TRIES):
        kept = {name: perturbed(space[name].domain, params[name], random) for name in params}
        kept = {name: value for name, value in kept.items() if random.random() >= resample}
        drawn = sample(Space(space.parameters), random, fixed=kept)
        if space.allows(drawn):
            return drawn
    return sample(space, random)


def perturbed(domain: Domain, value: Value, random: Random) -> Value:
    match domain:
        case Constant():
            return value
        case OrderedChoice(values):
            place = values.index(value) + random.choice((-1, 1))
            return values[min(max(place, 0), len(values) - 1)]
        case Choice():
            return value
    factor = random.choice(FACTORS)
    return domain.at(domain.share(value * factor))  # type: ignore[operator]

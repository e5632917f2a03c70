"""What a study has spent so far: a fold of its ledger.

A device counts while a trial occupies it, from `started` to the row with which the trial lets its worker go: start-up,
evaluation and work that was lost are paid for as well. The time between a driver's death and the next `opened` is not.
"""

from collections import defaultdict
from dataclasses import dataclass, field, replace

from hpo.event import Event

LETS_GO = {"ended", "lost", "raised", "paused"}  # kinds of event after which a trial holds no worker


@dataclass
class Account:
    seconds: float = 0.0  # while at least one trial ran
    worker_seconds: float = 0.0  # of all trials, side by side
    gpu_seconds: float = 0.0
    epochs: float = 0.0  # trained, those that were trained twice included
    _last: float = 0.0  # time of the event before
    _gpus: dict[int, float] = field(default_factory=dict)  # of each trial that holds a worker
    _asked: int = 0  # trials
    _began: dict[int, float] = field(default_factory=dict)  # epoch that a trial with a parent went on from
    _reached: dict[int, list[float]] = field(
        default_factory=lambda: defaultdict(list)
    )  # epoch of each report, by trial

    def apply(self, event: Event) -> None:
        if event.kind == "opened":  # whoever held a worker has lost it with the driver before
            self._gpus.clear()
        self._let_pass(event.time)
        if event.kind == "asked" and not event.of_repeat:
            if parent := event.payload.get("parent"):  # (trial, step)
                self._began[self._asked] = self._reached[parent[0]][parent[1] - 1]
            self._asked += 1
        trial = event.trial
        if trial is None:
            return
        reached = self._reached[trial]
        if event.kind == "started":
            self._gpus[trial] = event.payload.get("gpus", 0.0)
            del reached[event.payload["from_step"] :]
        elif event.kind == "reported":
            self.epochs += max(0.0, event.payload["epoch"] - (reached[-1] if reached else self._began.get(trial, 0.0)))
            reached.append(event.payload["epoch"])
        elif event.kind in LETS_GO:
            self._gpus.pop(trial, None)

    def at(self, time: float) -> "Account":
        """As it stands at a later moment of the same session."""
        later = replace(self)
        later._let_pass(time)
        return later

    def _let_pass(self, time: float) -> None:
        passed = max(0.0, time - self._last) if self._gpus else 0.0
        self.seconds += passed
        self.worker_seconds += passed * len(self._gpus)
        self.gpu_seconds += passed * sum(self._gpus.values())
        self._last = time

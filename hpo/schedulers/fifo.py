"""No early stopping: every trial runs to its own end."""

from dataclasses import dataclass
from typing import ClassVar

from hpo.event import Event
from hpo.history import History, Trial
from hpo.objective import Objective
from hpo.schedulers.decision import GO_ON, Decision, Next
from hpo.schedulers.free_worker import start_or_wait


@dataclass(kw_only=True, eq=False)
class FIFO:
    objective: Objective
    max_epochs: int | None = None
    trials: int | None = None
    needs_checkpoints: ClassVar[bool] = False
    rungs: ClassVar[tuple[int, ...]] = ()

    def apply(self, history: History, event: Event) -> None:
        """Nothing is kept."""

    def judge(self, history: History, trial: Trial) -> Decision:
        return GO_ON

    def next(self, history: History) -> Next:
        return start_or_wait(history, self.trials)

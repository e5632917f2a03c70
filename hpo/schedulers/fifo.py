"""No early stopping: every trial runs to its own end."""

from dataclasses import dataclass

from hpo.history import History, Trial
from hpo.objective import Objective
from hpo.schedulers.decision import GO_ON, Decision


@dataclass(frozen=True, kw_only=True)
class FIFO:
    objective: Objective
    max_epochs: int | None = None

    def judge(self, history: History, trial: Trial) -> Decision:
        return GO_ON

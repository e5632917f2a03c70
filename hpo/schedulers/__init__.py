"""Schedulers judge a report: `judge(history, trial) -> Decision`, pure in (settings, history).

Each stands in a file of its own; a new one is one more line here. Every one takes `objective` and `max_epochs` (the
full budget of a trial, or None); its other fields are its settings in the study file.
"""

from typing import Protocol

from hpo.history import History, Trial
from hpo.schedulers.asha import ASHA
from hpo.schedulers.decision import Decision
from hpo.schedulers.fifo import FIFO


class Scheduler(Protocol):
    def judge(self, history: History, trial: Trial) -> Decision:
        """Whether the trial, whose last evaluation has just been added to the history, goes on."""


SCHEDULERS: dict[str, type[ASHA] | type[FIFO]] = {
    "asha": ASHA,
    "fifo": FIFO,
}

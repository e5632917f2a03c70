"""What a scheduler is; `hpo.schedulers` says how one is driven."""

from typing import Protocol, runtime_checkable

from hpo.event import Event
from hpo.history import History, Trial
from hpo.schedulers.decision import Decision, Next


class Scheduler(Protocol):
    @property
    def needs_checkpoints(self) -> bool:
        """Trials wait and go on."""

    @property
    def rungs(self) -> tuple[int, ...]:
        """Epochs at which trials are compared, the full budget last; empty where there are none."""

    def apply(self, history: History, event: Event) -> None:
        """Take in an event that the history has just taken in."""

    def judge(self, history: History, trial: Trial) -> Decision:
        """Whether the trial, whose last evaluation has just been applied, goes on."""

    def next(self, history: History) -> Next:
        """What a free worker does next."""


@runtime_checkable
class Skipping(Protocol):
    """A scheduler that can do without its first rung, for the fidelity check."""

    def skip_first_rung(self) -> None:
        """For good; called from `apply`."""

"""What a free worker does where no trial is paused."""

from hpo.history import History
from hpo.schedulers.decision import DONE, WAIT, Next, Start


def start_or_wait(history: History, trials: int | None, bracket: int = 0) -> Next:
    """A new trial while there are any left to try; else nothing, and an end as soon as nothing runs."""
    if trials is None or len(history.trials) < trials:
        return Start(bracket)
    return WAIT if history.running or history.waiting else DONE

"""One row of a study's log: what the ledger keeps, and everything else is a fold of."""

from dataclasses import dataclass
from typing import Any

REPEATS = 1_000_000  # runs from this number on repeat a trial of the search with another seed


@dataclass(frozen=True)
class Event:
    """What `payload` holds depends on `kind`; hpo.history reads each kind."""

    seq: int  # 1, 2, 3 ... in the order in which they were written
    time: float  # seconds since 1970, for people
    kind: str
    trial: int | None
    attempt: int | None
    step: int | None
    payload: dict[str, Any]

    @property
    def of_repeat(self) -> bool:
        """Searcher, scheduler and budget know nothing of these."""
        return self.trial is not None and self.trial >= REPEATS

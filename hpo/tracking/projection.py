"""A view of the ledger that is written while the study runs, on a thread of its own: late if it must, never in the way.

Whatever it writes to may be slow, down or restarted: the ledger keeps what waits, and training does not notice.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from hpo.ledger import Ledger
from hpo.redaction import redact
from hpo.wording import count

EVERY_SECONDS = 2.0
# after the study's end: so long without anything having gone through, and so often in a row, it is tried again
LAST_SECONDS, LAST_TRIES, LAST_WAIT = 5.0, 5, 0.2
ASK_EVERY = 1.0  # seconds: whoever waits for the end is told how much is left, and may leave

GoOn = Callable[[int], bool]  # told how many events are left; False: whoever waits leaves

log = logging.getLogger(__name__)


class Writer(Protocol):
    """Brings one view up to the end of the ledger; after an error the next call goes on from there."""

    ledger: Ledger
    sent: int  # pieces that have arrived
    row: int  # events of the ledger that were taken in

    def catch_up(self) -> None: ...

    def get_ready(self) -> None:
        """Load what the study's end needs, while it goes on: seconds for which nobody waits now."""

    def pause(self) -> None:
        """The driver stops: whatever has not ended waits."""


def still_to_come(left: int) -> str:
    return f"{count(left, 'event')} still to come"


class Projection(threading.Thread):
    """Follows the ledger until `finish`. `make` opens the writer, as soon as what it writes to is there."""

    def __init__(self, name: str, make: Callable[[], Writer]) -> None:
        super().__init__(name=name, daemon=True)
        self.make = make
        self.writer: Writer | None = None
        self.done = threading.Event()
        self.behind = ""  # why events are still waiting, in one line

    def run(self) -> None:
        while not self.done.wait(EVERY_SECONDS):
            self._round()
        tries, moved = 0, time.monotonic()
        while not self._round(last=True):
            if self.progress:
                tries, moved = 0, time.monotonic()
            tries += 1
            if tries >= LAST_TRIES or time.monotonic() - moved > LAST_SECONDS:
                return
            time.sleep(LAST_WAIT * tries)

    def finish(self, rows: int, go_on: GoOn) -> str:
        """Write what is left of so many events; why it could not be written, or nothing."""
        self.done.set()
        while self.is_alive():
            self.join(ASK_EVERY)
            left = rows - (self.writer.row if self.writer else 0)
            if self.is_alive() and not go_on(left):
                return still_to_come(left)
        if self.writer:
            self.writer.ledger.close()
        return self.behind

    def _round(self, last: bool = False) -> bool:
        """Whether everything has arrived."""
        before, self.progress = self.writer.sent if self.writer else 0, False
        try:
            self.writer = self.writer or self.make()
            self.writer.catch_up()
            if last:
                self.writer.pause()
            else:
                self.writer.get_ready()
            self.behind = ""
        except Exception as error:
            behind = f"{type(error).__name__}: {redact(' '.join(str(error).split()))[:200]}"
            if behind != self.behind:  # of an outage of hours the log tells once
                log.warning("%s is behind", self.name, exc_info=True)
            self.behind = behind
            self.progress = self.writer is not None and self.writer.sent > before
        return not self.behind

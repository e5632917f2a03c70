"""Ctrl-C and SIGTERM. Once: no new work, and the reports under way are waited for; twice: at once, still consistent."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

from hpo.errors import HpoError

GRACE = 10.0  # seconds for the reports under way; with Ray's shutdown it stays below the 20 s of a preempted machine


@dataclass
class Stop:
    """What has been asked for so far."""

    asked: int = 0  # the first signal; 0: none yet
    at_once: bool = False
    stderr: int = 2  # where an error is shown, whatever happens to descriptor 2 meanwhile
    heard: Callable[[], None] = lambda: None  # called when it is asked for, by another thread

    @property
    def terminated(self) -> bool:
        """By SIGTERM: by the machine, not by a person."""
        return self.asked == signal.SIGTERM

    def break_off(self) -> None:
        """From any thread: the main thread leaves what it is in with a KeyboardInterrupt, also a wait in a library."""
        self.at_once = True
        os.kill(os.getpid(), signal.SIGINT)

    def leave(self, error: HpoError) -> NoReturn:
        """From any thread, where the main thread is stuck in a library: the ledger is consistent at any moment."""
        os.write(self.stderr, f"error: {error}\n".encode())
        os._exit(error.exit_code)


@contextmanager
def stoppable(grace: float = GRACE) -> Iterator[Stop]:
    """Within, the first signal sets `asked`; the second, or the end of the grace, raises KeyboardInterrupt, once."""
    stop, asked, over = Stop(stderr=os.dup(2)), threading.Event(), threading.Event()
    raised = False

    def lose_patience() -> None:
        asked.wait()
        if not over.is_set():
            stop.heard()
        if not over.wait(grace):
            stop.break_off()

    def heard(number: int, _frame: object) -> None:
        nonlocal raised
        if not stop.asked and not stop.at_once:
            stop.asked = number
            asked.set()
        elif not raised:  # a third one would break off the tidying up
            raised = True
            raise KeyboardInterrupt

    before = {number: signal.signal(number, heard) for number in (signal.SIGINT, signal.SIGTERM)}
    threading.Thread(target=lose_patience, name="patience", daemon=True).start()
    try:
        yield stop
    finally:
        over.set()
        asked.set()
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(stop.stderr)

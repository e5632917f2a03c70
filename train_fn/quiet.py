"""How Transformers is kept from printing while it loads and saves."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from transformers.utils import logging

LOCK = Lock()
FOUND: list[tuple[int, bool]] = []  # by each who is inside; the first found the caller's own, and it is taken last


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and no table of new weights, of which a new head always has some; errors still show."""
    with LOCK:
        FOUND.append((logging.get_verbosity(), logging.is_progress_bar_enabled()))
        logging.set_verbosity_error()
        logging.disable_progress_bar()
    try:
        yield
    finally:
        with LOCK:
            verbosity, bars = FOUND.pop()
            logging.set_verbosity(verbosity)
            if bars:
                logging.enable_progress_bar()

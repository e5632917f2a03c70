"""Keeps the chatter of libraries off the screen: all of it goes to the study's log file, without secrets."""

import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path

from hpo.redaction import redact


@contextmanager
def chatter_to(path: Path) -> Iterator[io.TextIOWrapper]:
    """Within, file descriptors 1 and 2 are the log file; what is yielded is the screen.

    Descriptors, not sys.stdout: Ray's C++ code and forked workers write past Python.
    """
    logging.raiseExceptions = False  # of a full disk each line of a log would be told on the screen, with a traceback
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    screen = os.fdopen(os.dup(saved[0]), "w", encoding=sys.stdout.encoding or "utf-8", errors="replace")
    handler = logging.StreamHandler(os.fdopen(os.dup(target), "a"))
    handler.setFormatter(Redacting("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    level = root.level
    try:
        os.dup2(target, 1)
        os.dup2(target, 2)
        root.addHandler(handler)
        root.setLevel(logging.INFO)
        logging.captureWarnings(True)
        # what is printed in Python is redacted; what C++ code and other processes print goes straight to the file
        with warnings.catch_warnings(), redirect_stdout(RedactedWriter(1)), redirect_stderr(RedactedWriter(2)):
            warnings.simplefilter("default")
            yield screen
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(saved[0], 1)
        os.dup2(saved[1], 2)
        logging.captureWarnings(False)
        root.removeHandler(handler)
        root.setLevel(level)
        handler.stream.close()
        for descriptor in (*saved, target):
            os.close(descriptor)
        with suppress(OSError):  # its reader may have gone
            screen.close()


class Redacting(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class RedactedWriter(io.TextIOWrapper):
    """Writes to a descriptor, wherever it leads: a library that keeps it writes to the screen again later."""

    def __init__(self, descriptor: int) -> None:
        # no buffer: what a full disk has not taken would come out at the end, where the descriptor is the screen again
        raw = open(descriptor, "wb", buffering=0, closefd=False)
        super().__init__(raw, encoding="utf-8", errors="replace", write_through=True)

    def write(self, text: str) -> int:
        super().write(redact(text))
        self.flush()
        return len(text)

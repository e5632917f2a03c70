"""Keeps the chatter of libraries off the screen: all of it goes to the study's log file."""

import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def chatter_to(path: Path) -> Iterator[io.TextIOWrapper]:
    """Within, file descriptors 1 and 2 are the log file; what is yielded is the screen.

    Descriptors, not sys.stdout: Ray's C++ code and forked workers write past Python.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    screen = os.fdopen(os.dup(saved[0]), "w", encoding=sys.stdout.encoding or "utf-8", errors="replace")
    handler = logging.StreamHandler(os.fdopen(os.dup(target), "a"))
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    level = root.level
    try:
        os.dup2(target, 1)
        os.dup2(target, 2)
        root.addHandler(handler)
        root.setLevel(logging.INFO)
        logging.captureWarnings(True)
        with warnings.catch_warnings():
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

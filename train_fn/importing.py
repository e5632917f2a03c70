"""Imports of large libraries, in less time."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """What is imported stays, and is garbage never: looking through all of it again and again, as it grows, takes the
    collector a fifth of the time that importing torch and transformers takes."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()

"""What keeps a search from looking at the test split: it would choose by it, and the test would be a second valid."""

from collections.abc import Iterator
from contextlib import contextmanager

from train_fn.errors import DataError

SEALS: list[str] = []  # what is going on in this process that must not see the test split


@contextmanager
def sealed(reason: str) -> Iterator[None]:
    SEALS.append(reason)
    try:
        yield
    finally:
        SEALS.remove(reason)


def refuse_if_sealed() -> None:
    if SEALS:
        raise DataError(
            f"the test split must stay sealed during {SEALS[-1]}, got an attempt to open it; "
            "`hpo promote` opens it for the winner, and the record counts it"
        )

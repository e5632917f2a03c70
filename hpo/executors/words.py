"""What a process that trains a segment says, whichever of a trial's processes it is."""

import socket
import traceback
from collections.abc import Generator

from hpo.segment import Failed, Said, Segment
from hpo.worker import failure, run_segment


def words_of(segment: Segment, misfit: str) -> Generator[Said, None, None]:
    """Trials on other libraries, which `misfit` tells of, cannot be compared with the rest."""
    if not misfit:
        yield from run_segment(segment)
        return
    error = f"machine {socket.gethostname()} has {misfit}; install the same there"
    yield Failed(error=error, details=error)


def next_word(said: Generator[Said, None, None]) -> Said | None:
    """None at the end. `sys.exit` in a trainable would end the process, and what was said would be lost."""
    try:
        return next(said, None)
    except SystemExit as error:
        if by_ray(error):
            raise
        return failure(error)


def by_ray(error: SystemExit) -> bool:
    """Whether it tells the process to stop, as on SIGTERM; else the trainable has called `sys.exit`."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).startswith("ray.")

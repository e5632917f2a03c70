"""The process that runs segments, one after the other."""

import json
import os
import socket
import time
import traceback
from collections.abc import Generator
from typing import Any

from ray import tune

from hpo.environment import differing
from hpo.executors.ray_cluster import expected
from hpo.segment import Failed, Reported, Said, Segment
from hpo.worker import failure, return_memory, run_segment

RETURN_MEMORY_EVERY = 1.0  # seconds; it takes some hundredths of one, as much as a trial that trains nothing


class WarmWorker(tune.Trainable):
    """Lives on from segment to segment: imports, tokenized data and CUDA context are paid for once.

    With `workers: {isolate: true}` it lives for one.
    """

    def setup(self, config: dict[str, Any]) -> None:
        os.umask(0o077)  # what a trial writes is for this user alone
        if config["working_folder"]:  # on a cluster Ray has brought a copy, and begun in it
            os.chdir(config["working_folder"])  # relative paths and modules mean what they mean to the driver
        self.misfit = differing(expected())
        self.returned = 0.0  # by the monotonic clock: when memory last was
        self.reset_config(config)

    def reset_config(self, config: dict[str, Any]) -> bool:
        self.cleanup()
        self.said = run_segment(Segment(**config["segment"])) if not self.misfit else refused(self.misfit)
        return True

    def step(self) -> dict[str, Any]:
        try:
            word = next(self.said, None)
        except SystemExit as error:  # Tune would lose the worker, and with it what was said
            if by_ray(error):
                raise
            word = failure(error)
        # one string: Tune would flatten and copy a nested result several times
        kind = type(word).__name__ if word else "Completed"
        return {"said": json.dumps([kind, vars(word) if word else {}]), "done": not isinstance(word, Reported)}

    def cleanup(self) -> None:
        if hasattr(self, "said"):
            self.said.close()
            del self.said
            if time.monotonic() - self.returned > RETURN_MEMORY_EVERY:
                return_memory()
                self.returned = time.monotonic()


def by_ray(error: SystemExit) -> bool:
    """Whether it tells the worker to stop, as on SIGTERM; else the trainable has called `sys.exit`."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).startswith("ray.")


def refused(misfit: str) -> Generator[Said, None, None]:
    """Trials on other libraries cannot be compared with the rest."""
    error = f"machine {socket.gethostname()} has {misfit}; install the same there"
    yield Failed(error=error, details=error)

"""Starts Ray as a study does and prints what `hpo doctor` wants to know: `python -m hpo.executors.ray_probe MARK`."""

import json
import sys
import time
from pathlib import Path

from hpo.executors.ray_session import private_session
from hpo.executors.ray_start import start_ray  # first: it tells Ray by the environment how to be imported
from hpo.processes import listening, mark

import ray  # isort: skip


def main(owner: Path) -> None:
    mark(owner)
    with private_session(owner) as folder:
        began = time.monotonic()
        start_ray(folder)
        seconds = time.monotonic() - began
        print(json.dumps({"version": ray.__version__, "seconds": seconds, "listening": listening()}))
        ray.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

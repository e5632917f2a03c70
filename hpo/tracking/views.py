"""The views that a study is shown by while it runs, each a projection of the ledger.

They are kept by threads here, or by a process of their own, `python -m hpo.tracking.views NAME VIEW ...`: there what
they cost is not taken from the loop that hands out trials. That process reads the ledger and writes to the views alone.
It ends with the driver, whatever ended that: it goes as far as it is told to, and no further than its input lasts.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from functools import partial
from typing import Any, Protocol

from hpo.errors import HpoError
from hpo.ledger import Ledger
from hpo.paths import StudyPaths
from hpo.processes import MARK
from hpo.study import Study
from hpo.tracking import mlflow, tensorboard, weights_and_biases
from hpo.tracking.log_file import chatter_to
from hpo.tracking.projection import GoOn, Projection, Writer, still_to_come

MLFLOW, TENSORBOARD, WANDB = "MLflow", "TensorBoard", "Weights & Biases"
WRITERS: dict[str, Callable[[StudyPaths], Writer]] = {
    MLFLOW: lambda paths: mlflow.Writer(paths, mlflow.tracking_uri()),
    TENSORBOARD: tensorboard.Writer,
    WANDB: weights_and_biases.Writer,
}
APART = (WANDB,)  # never in a process in which a trainable may use the same library in its own way
SECONDS_TO_BEGIN, LOOK_EVERY = 10.0, 0.5  # that workers may take: so long a study is in no view
FINISH = b"finish\n"
LEFT = "left"  # what that process says of itself now and then before the end


class Finish(Protocol):
    """Writes what is left; why a view is behind its ledger, or "", by its name."""

    def __call__(self, go_on: GoOn = lambda left: True) -> dict[str, str]: ...


def chosen(study: Study) -> list[str]:
    switched = {TENSORBOARD: study.tracking.tensorboard, WANDB: study.tracking.wandb}
    return [MLFLOW, *(view for view, on in switched.items() if on)]


def follow(paths: StudyPaths, views: Sequence[str]) -> Finish:
    """In threads of this process, and apart what may not be there."""
    apart = [view for view in views if view in APART]
    finish = follow_in_threads(paths, [view for view in views if view not in APART])
    if not apart:
        return finish
    finish_apart = follow_apart(paths, apart)
    return lambda go_on=lambda left: True: {**finish(go_on), **finish_apart(go_on)}


def follow_in_threads(paths: StudyPaths, views: Sequence[str]) -> Finish:
    projections = [Projection(view, partial(WRITERS[view], paths)) for view in views]
    for projection in projections:
        projection.start()

    def finish(go_on: GoOn = lambda left: True) -> dict[str, str]:
        with closing(Ledger(paths.ledger)) as ledger:
            rows = ledger.last()
        return {projection.name: projection.finish(rows, go_on) for projection in projections}

    return finish


def follow_apart(paths: StudyPaths, views: Sequence[str]) -> Finish:
    """In a process of its own. It bears no mark of the study, which would have it ended together with Ray."""
    process = subprocess.Popen(
        [sys.executable, "-m", "hpo.tracking.views", paths.root.name, *views],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if name != MARK},
        start_new_session=True,  # Ctrl-C is the driver's
    )

    def finish(go_on: GoOn = lambda left: True) -> dict[str, str]:
        assert process.stdin is not None and process.stdout is not None
        behind: dict[str, str] = {}
        with process, suppress(BrokenPipeError):
            os.write(process.stdin.fileno(), FINISH)  # past the buffer, which would be flushed once more at the end
            for line in process.stdout:
                said = json.loads(line)
                if LEFT not in said:
                    behind = said
                elif not go_on(said[LEFT]):
                    return dict.fromkeys(views, still_to_come(said[LEFT]))  # it ends with its input
        return {view: behind.get(view, f"its process ended with exit code {process.returncode}") for view in views}

    return finish


def main(name: str, views: Sequence[str]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # a driver that is told to stop says so
    told = threading.Event()
    threading.Thread(target=heed, args=(told,), name="driver", daemon=True).start()
    paths = StudyPaths.of(name)
    with chatter_to(paths.log) as screen:
        give_way(paths, told)
        finish = follow_in_threads(paths, views)
        told.wait()

        def tell(line: dict[str, Any]) -> bool:
            print(json.dumps(line), file=screen, flush=True)
            return True

        tell(finish(lambda left: tell({LEFT: left})))


def give_way(paths: StudyPaths, told: threading.Event) -> None:
    """Until there is a report: MLflow alone takes two seconds of a processor, and workers need theirs to begin."""
    row, ends = 0, time.monotonic() + SECONDS_TO_BEGIN
    with suppress(HpoError, OSError), closing(Ledger(paths.ledger)) as ledger:
        while not told.is_set() and time.monotonic() < ends:
            events = ledger.events(after=row)
            if any(event.kind == "reported" for event in events):
                return
            row += len(events)
            told.wait(LOOK_EVERY)


def heed(told: threading.Event) -> None:
    """Until the driver is gone; it is there until it has heard how far the views have come."""
    while said := os.read(0, len(FINISH)):
        if said == FINISH:
            told.set()
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])

"""A running study from another process: what its own terminal shows, read from the ledger alone."""

import time
from contextlib import closing
from typing import TextIO

from hpo.errors import UsageError
from hpo.forecast import expected
from hpo.history import fold
from hpo.language import of_terminal
from hpo.ledger import Ledger
from hpo.paths import StudyPaths
from hpo.results import read_all
from hpo.study import restored_study
from hpo.study_lock import is_locked
from hpo.tracking.board import board_after
from hpo.tracking.terminal import Terminal

KEYS = "Ctrl-C ends the looking; the study runs on"
SECONDS_BETWEEN = 0.5  # two looks into the ledger
PATIENCE = 3.0  # seconds without a driver: one that has just begun looks at its data before it takes the lock


def the_running_one() -> str:
    running = [found.study.study for found in read_all()[0] if found.state == "running"]
    if len(running) != 1:
        raise UsageError(f"--watch takes one study, got {', '.join(running) or 'none that runs'}; name it")
    return running[0]


def watch(name: str, screen: TextIO) -> None:
    """Until the study ends, or its driver does."""
    paths = StudyPaths.of(name)
    with closing(Ledger(paths.ledger)) as ledger:
        events = ledger.events()
        record = fold(events).record
        study = restored_study(record)
        language = of_terminal()
        board = board_after(events, study, language.say(KEYS), expected(study, record["data"]), language)
        with Terminal(board, screen) as terminal:
            seen, ran = len(events), time.monotonic()
            while not board.history.finished:
                if is_locked(paths):
                    ran = time.monotonic()
                for event in ledger.events(after=seen):
                    terminal.tell(event)
                    seen = event.seq
                if time.monotonic() > ran + PATIENCE and not board.history.finished:
                    terminal.say(language.say("nobody is running {study}: `hpo resume {study}` goes on", study=name))
                    return
                terminal.draw()
                time.sleep(SECONDS_BETWEEN)

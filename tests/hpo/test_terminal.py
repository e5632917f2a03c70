"""What a person sees while a study runs."""

import io
from pathlib import Path

from hpo.history import fold
from hpo.tracking.terminal import Terminal
from tests.hpo.test_engine import new_engine, run, toy_study


class FakeTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def told(folder: Path, screen: io.StringIO, **changes: object) -> Terminal:
    engine = new_engine(folder, toy_study(**changes))
    terminal = Terminal(engine.study, screen, fold(engine.ledger.events()))
    engine.tell = terminal.tell
    with terminal:
        run(engine)
    return terminal


def test_a_pipe_gets_one_line_per_event(folder: Path) -> None:
    screen = io.StringIO()
    told(folder, screen, search={"trials": 2, "searcher": "random", "scheduler": "fifo"}, config={"max_epochs": 2})
    lines = screen.getvalue().splitlines()
    assert len(lines) == 2 * (1 + 2 + 1) + 1
    assert lines[0].startswith("trial 000 started: x=") and ", y=" in lines[0]
    assert lines[1].startswith("trial 000 epoch 1: score ") and lines[1].endswith(" s")
    assert lines[3].startswith("trial 000 complete: ran to its end (best ")
    assert "\x1b" not in screen.getvalue(), "no colours in a file"


def test_a_pruned_trial_says_why(folder: Path) -> None:
    screen = io.StringIO()
    told(folder, screen)
    [*_, pruned] = [line for line in screen.getvalue().splitlines() if " pruned: " in line]
    assert " below the cutoff " in pruned and " trials before it" in pruned


def test_a_terminal_gets_a_live_table(folder: Path) -> None:
    screen = FakeTerminal()
    terminal = told(folder, screen)
    assert "study toy" in screen.getvalue() and "pruned" in screen.getvalue()
    assert terminal.summary().startswith("12 of 12 trials: ")


def test_what_libraries_print_stays_out_of_the_table(folder: Path) -> None:
    screen = FakeTerminal()
    with Terminal(toy_study(), screen, fold([])):
        print("chatter")
    assert "chatter" not in screen.getvalue()


def test_the_table_fits_a_small_screen(folder: Path) -> None:
    terminal = told(folder, io.StringIO(), search={"trials": 40, "searcher": "random"})
    terminal.console.size = (80, 24)  # type: ignore[assignment]
    with terminal.console.capture() as capture:
        terminal.console.print(terminal.table())
    lines = capture.get().splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 80
    heading = next(line for line in lines if "trial" in line)
    assert heading.split() == ["trial", "epoch", "score", "best", "state", "why"], "only the reason is cut short"

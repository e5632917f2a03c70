"""What a person sees while a study runs."""

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hpo.errors import UsageError
from hpo.forecast import forecast
from hpo.paths import StudyPaths
from hpo.segment import Reported
from hpo.tracking.board import Board, board_after, sparkline
from hpo.tracking.terminal import Terminal
from hpo.watching import the_running_one, watch
from hpo.wording import duration
from tests.hpo.known_names import TOY
from tests.hpo.test_engine import new_engine, run, toy_study
from tests.hpo.typed import PROJECT

SLOW = TOY.replace("max_epochs: 3", "max_epochs: 3\n  seconds: 0.2").replace("trials: 2", "trials: 4")
HINT = "Ctrl-C stops it"


class FakeTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def told(folder: Path, screen: io.StringIO, **changes: object) -> Terminal:
    engine = new_engine(folder, toy_study(**changes))
    terminal = Terminal(board_after(engine.ledger.events(), engine.study, HINT), screen)
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
    assert terminal.board.summary().startswith("12 of 12 trials: ")


def test_what_libraries_print_stays_out_of_the_table(folder: Path) -> None:
    screen = FakeTerminal()
    with Terminal(Board(toy_study()), screen):
        print("chatter")
    assert "chatter" not in screen.getvalue()


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
def test_the_board_fits_the_screen_and_says_all(folder: Path, size: tuple[int, int]) -> None:
    lines = drawn(told(folder, io.StringIO(), search={"trials": 40, "searcher": "random"}), size)
    assert len(lines) <= size[1] and max(map(len, lines)) <= size[0]
    heading = next(line for line in lines if line.split()[:1] == ["trial"])
    assert heading.split() == ["trial", "epoch", "score", "best", "state", "why"], "only the reason is cut short"
    said = {line.split()[0]: line for line in lines if line.strip()}
    assert said["trials"].startswith("trials 40 of 40: ")
    assert said["rungs"].startswith("rungs  40 at 1, ") and said["rungs"].endswith(" at 9 epochs")
    assert said["best"].endswith("█") and " epochs in " in said["cost"]
    assert "all 40 trials ended" in lines[-1]


def test_a_study_under_way_says_what_is_left_and_what_keys_do(folder: Path) -> None:
    engine = new_engine(folder, toy_study())
    segment = engine.next_segment()
    assert segment is not None
    engine.reported(
        segment, Reported(step=1, epoch=1.0, metrics={"score": 0.5}, seconds=2.0, checkpoint=None, diverged=None)
    )
    board = board_after(engine.ledger.events(), engine.study, HINT, forecast(engine.study, workers=1))
    lines = drawn(Terminal(board, io.StringIO()), (80, 24))
    assert any("; likely: " in line and " left" in line for line in lines)
    assert any(line.startswith("using  CPU ") for line in lines) and HINT in lines
    assert "trial 000 epoch 1: score 0.5000, 2 s" in lines


def test_without_unicode_there_is_no_curve(folder: Path) -> None:
    terminal = told(folder, io.TextIOWrapper(io.BytesIO(), encoding="ascii"))  # type: ignore[arg-type]
    assert "█" not in "".join(drawn(terminal, (80, 24)))


def test_the_curve_climbs_at_the_cost_of_each_improvement() -> None:
    assert sparkline([(0, 0.0), (12, 0.5), (24, 1.0)], 24) == "▁" * 11 + "▅" * 12 + "█"
    assert sparkline([(0, 1.0), (24, 0.0)], 24) == "▁" * 23 + "█", "also where less is better"
    assert sparkline([(3, 0.5)], 24) == ""


def test_a_dumb_terminal_gets_lines(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    screen = FakeTerminal()
    told(folder, screen)
    assert screen.getvalue().startswith("trial 000 started: ")


def drawn(terminal: Terminal, size: tuple[int, int]) -> list[str]:
    terminal.console.size = size  # type: ignore[assignment]
    with terminal.console.capture() as capture:
        terminal.console.print(terminal.board)
    return capture.get().splitlines()


def test_a_study_can_be_watched_from_another_process(folder: Path) -> None:
    (folder / "study.yaml").write_text(SLOW)
    words = [sys.executable, "-m", "hpo", "run", "study.yaml", "--in-process"]
    with subprocess.Popen(words, env=os.environ | {"PYTHONPATH": str(PROJECT)}, stdout=subprocess.DEVNULL) as driver:
        while not StudyPaths.of("toy").root.exists():
            assert driver.poll() is None
            time.sleep(0.05)
        screen = io.StringIO()
        watch("toy", screen)
    assert screen.getvalue().splitlines()[-1].startswith("all 4 trials ended; 4 of 4 trials: ")


def test_looking_on_ends_where_nobody_runs_the_study(folder: Path) -> None:
    new_engine(folder, toy_study())
    screen = io.StringIO()
    watch("toy", screen)
    assert screen.getvalue() == "nobody is running toy: `hpo resume toy` goes on\n"


def test_one_study_is_watched(folder: Path) -> None:
    with pytest.raises(UsageError, match="takes one study, got none that runs; name it"):
        the_running_one()


def test_a_start_from_the_beginning_names_no_report(folder: Path) -> None:
    screen = io.StringIO()
    told(folder, screen, search={"trials": 1, "scheduler": "fifo"}, config={"max_epochs": 3, "fails_at": 1})
    [again] = [line for line in screen.getvalue().splitlines() if "again" in line]
    assert again.startswith("trial 000 started again: x=")


def test_a_time_too_short_to_say_is_none() -> None:
    assert list(map(duration, (1e-05, 0.002, 0.31, 40, 600))) == ["0 s", "0.002 s", "0.3 s", "40 s", "10 min"]

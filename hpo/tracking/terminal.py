"""The study on the screen while it runs: a live board on a terminal, one line per event anywhere else."""

import time
from typing import TextIO

from rich.console import Console
from rich.live import Live

from hpo.event import Event
from hpo.tracking.board import Board

SECONDS_BETWEEN = 0.25  # two drawings
SHARE = 0.05  # of the driver's time at most that drawing may take; of ten thousand trials one takes a while


class Screen(Console):
    """A console whose reader may go, as in `hpo run FILE | head`: it falls silent, and the study goes on."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


class Terminal:
    """Told of each event after its commit; `board` has taken in what was before."""

    def __init__(self, board: Board, screen: TextIO) -> None:
        self.board = board
        self.due = 0.0  # when it is drawn next, by the monotonic clock
        self.console = Screen(file=screen, highlight=False, markup=False, emoji=False, soft_wrap=not screen.isatty())
        self.live = (
            Live(
                self.board,
                console=self.console,
                auto_refresh=False,
                redirect_stdout=False,  # what libraries print is for the log file, not for above the board
                redirect_stderr=False,
                vertical_overflow="crop",
            )
            if screen.isatty() and not self.console.is_dumb_terminal
            else None
        )

    def __enter__(self) -> "Terminal":
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.live.refresh()
            self.live.stop()

    def tell(self, event: Event) -> None:
        self.board.apply(event)
        if self.live:
            self.draw()
        elif said := self.board.line(event):
            if event.kind == "finished":
                best = self.board.best_so_far()
                if best and not self.board.study.objectives:
                    best = self.board.language.say("best {best}", best=best)
                said = "; ".join(filter(None, [said, self.board.summary(), best]))
            self.say(said)

    def draw(self) -> None:
        """If it is time to."""
        began = time.monotonic()
        if self.live and began >= self.due:
            self.live.refresh()
            took = time.monotonic() - began
            self.due = began + max(SECONDS_BETWEEN, took / SHARE)

    def say(self, said: str) -> None:
        if self.live:
            self.console.print(said)
        elif not self.console.quiet:
            try:
                print(said, file=self.console.file, flush=True)  # rich takes a tenth of the driver's time for it
            except BrokenPipeError:
                self.console.on_broken_pipe()

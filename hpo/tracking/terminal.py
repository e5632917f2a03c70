"""The study on the screen while it runs: a live table on a terminal, one line per event anywhere else."""

from collections import Counter
from typing import TextIO

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from hpo.history import History, State, Trial
from hpo.ledger import Event
from hpo.study_file import Study
from hpo.wording import describe

COLOURS = {
    State.WAITING: "dim",
    State.RUNNING: "cyan",
    State.COMPLETE: "green",
    State.PRUNED: "yellow",
    State.DIVERGED: "red",
    State.FAILED: "red",
}
PADDING = 3  # columns between two cells
ROWS_BESIDE_TABLE = 7  # title, header, rules and the summary below


class Screen(Console):
    """A console whose reader may go, as in `hpo run FILE | head`: it falls silent, and the study goes on."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


class Terminal:
    """Told of each event after its commit; folds a history of its own, beginning with what was before."""

    def __init__(self, study: Study, screen: TextIO, history: History) -> None:
        self.study, self.history = study, history
        self.console = Screen(file=screen, highlight=False, soft_wrap=not screen.isatty())
        self.live = (
            Live(
                console=self.console,
                refresh_per_second=4,
                redirect_stdout=False,  # what libraries print is for the log file, not for above the table
                redirect_stderr=False,
            )
            if screen.isatty()
            else None
        )

    def __enter__(self) -> "Terminal":
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.live.stop()

    def tell(self, event: Event) -> None:
        self.history.apply(event)
        if self.live:
            self.live.update(self.table())
        elif line := self.line(event):
            self.console.print(escape(line))

    def table(self) -> Group:
        """Running trials first, then the best of the ended: what fits the screen."""
        metric = self.study.objective.metric
        table = Table(title=f"study {self.study.study}", title_justify="left", box=box.SIMPLE_HEAD)
        widths = {"trial": 5, "epoch": 5, metric: max(len(metric), 7), "best": 7, "state": 8}
        for name, width in widths.items():
            table.add_column(name, justify="left" if name == "state" else "right", no_wrap=True, min_width=width)
        left = self.console.width - sum(widths.values()) - PADDING * (len(widths) + 1)
        table.add_column("why", no_wrap=True, overflow="ellipsis", max_width=max(left, 10))  # gives way
        room = max(5, self.console.height - ROWS_BESIDE_TABLE)
        for trial in sorted(self.history.trials, key=self._rank)[:room]:
            last = trial.evaluations[-1] if trial.evaluations else None
            table.add_row(
                f"{trial.number:03d}",
                f"{last.epoch:g}" if last else "",
                f"{last.metrics.get(metric, float('nan')):.4f}" if last else "",
                self._value(trial),
                Text(trial.state.lower(), style=COLOURS[trial.state]),
                Text(trial.reason, overflow="ellipsis"),
            )
        return Group(table, Text(self.summary()))

    def line(self, event: Event) -> str:
        """The event in one line; empty for those that only the record needs."""
        if event.kind == "finished":
            return f"{event.payload['reason']}; {self.summary()}"
        if event.trial is None:
            return ""
        trial = self.history.trials[event.trial]
        name, metric = f"trial {trial.number:03d}", self.study.objective.metric
        if event.kind == "started":
            again = f" again, from report {event.payload['from_step']}" if trial.attempt > 1 else ""
            return f"{name} started{again}: {describe(trial)}"
        if event.kind == "reported":
            last = trial.evaluations[-1]
            value = last.metrics.get(metric, float("nan"))
            return f"{name} epoch {last.epoch:g}: {metric} {value:.4f}, {last.seconds:.0f} s"
        if event.kind == "ended":
            return f"{name} {trial.state.lower()}: {trial.reason} (best {self._value(trial) or 'none'})"
        if event.kind == "lost":
            return f"{name} lost its worker: {event.payload['reason']}"
        return ""

    def summary(self) -> str:
        states = Counter(trial.state for trial in self.history.trials)
        counts = ", ".join(f"{states[state]} {state.lower()}" for state in State if states[state])
        winner = self.history.winner(self.study.objective)
        best = (
            f"; best {self.study.objective.metric} {self._value(winner)} in trial {winner.number:03d}" if winner else ""
        )
        return f"{len(self.history.trials)} of {self.study.search.trials} trials: {counts or 'none yet'}{best}"

    def _rank(self, trial: Trial) -> tuple[bool, float, int]:
        value = trial.value(self.study.objective)
        return (
            trial.state.ended,
            -self.study.objective.sign * value if value is not None else float("inf"),
            trial.number,
        )

    def _value(self, trial: Trial) -> str:
        value = trial.value(self.study.objective)
        return f"{value:.4f}" if value is not None else ""

"""A study at a glance, for a terminal of 80 columns and 24 lines or more: a fold of its events, drawn when asked.

Without colour nothing is lost: states are words. Under the trials stand the best so far with its curve, how many
reached each rung, what was spent and is left, how full the machine is, and what happened last.
"""

import math
from collections import Counter, deque
from collections.abc import Sequence

from rich import box
from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from hpo.account import Account
from hpo.confirmation import winner
from hpo.event import Event
from hpo.forecast import Forecast
from hpo.front import hypervolume_of
from hpo.history import History, State, Trial
from hpo.language import ENGLISH, Language
from hpo.machine import usage
from hpo.study import Study
from hpo.tracking.lines import line, number
from hpo.wording import count, duration

COLOURS = {
    State.WAITING: "dim",
    State.RUNNING: "cyan",
    State.PAUSED: "dim",
    State.COMPLETE: "green",
    State.PRUNED: "yellow",
    State.DIVERGED: "red",
    State.FAILED: "red",
}
PADDING = 3  # columns between two cells
AROUND_TABLE = 5  # lines: its title, header and rules
HEADING = 6  # columns of what stands before a line below the trials, at least
SPARK = 24  # columns of the curve of the best so far
BLOCKS = "▁▂▃▄▅▆▇█"
EVENTS = 5  # told at most; on a small screen the last one alone


class Board:
    """Told of each event; `print` and `Live` of rich draw it."""

    def __init__(
        self, study: Study, hint: str = "", forecast: Forecast | None = None, language: Language = ENGLISH
    ) -> None:
        self.study, self.forecast, self.language = study, forecast, language
        self.hint = hint  # what keys do here
        self.rungs: Sequence[float] = getattr(study.build_scheduler(), "rungs", ())
        self.history, self.account = History(), Account()
        self.best: list[tuple[float, float]] = []  # (epochs spent, value) at each improvement
        self.last: deque[str] = deque(maxlen=EVENTS)

    def apply(self, event: Event) -> None:
        self.history.apply(event)
        self.account.apply(event)
        if event.kind == "reported" and event.trial is not None and not event.of_repeat:
            objective = self.study.objective
            value = self.history.trials[event.trial].evaluations[-1].metrics.get(objective.metric, math.nan)
            if math.isfinite(value) and (not self.best or objective.sign * (value - self.best[-1][1]) > 0):
                self.best.append((self.account.epochs, value))
        if said := self.line(event):
            self.last.append(said)

    def line(self, event: Event) -> str:
        """In words, of the event that was taken in last; empty for those that only the record needs."""
        return line(event, self.history, self.study.aims, self.language)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        below = self._below(console.encoding)
        left = console.height - AROUND_TABLE - len(below)
        events = list(self.last)[-max(1, min(EVENTS, left // 4)) :]
        yield self.table(console.width, max(3, left - len(events)))
        width = max(HEADING, *(cell_len(heading) for heading, _ in below))
        for heading, text in [*below, *(("", event) for event in events)]:
            yield Text(f"{set_cell_size(heading, width)} {text}".strip(), no_wrap=True, overflow="ellipsis")

    def table(self, width: int, rows: int) -> Table:
        """Running trials first, then the best of the ended: as many as there is room for."""
        say, metric = self.language.say, self.study.objective.metric
        table = Table(title=say("study {study}", study=self.study.study), title_justify="left", box=box.SIMPLE_HEAD)
        shown = dict.fromkeys([metric, *(one.metric for one in self.study.aims[1:])], 7)
        states = max(cell_len(say(state.lower())) for state in State)
        least = {say("trial"): 5, say("epoch"): 5, **shown, say("best"): 7, say("state"): states}
        widths = {name: max(cell_len(name), columns) for name, columns in least.items()}
        for name, columns in widths.items():
            table.add_column(name, justify="left" if name == say("state") else "right", no_wrap=True, min_width=columns)
        left = width - sum(widths.values()) - PADDING * (len(widths) + 1)
        table.add_column(say("why"), no_wrap=True, overflow="ellipsis", max_width=max(left, 10))  # gives way
        for trial in sorted(self.history.trials, key=self._rank)[:rows]:
            last = trial.evaluations[-1] if trial.evaluations else None
            table.add_row(
                f"{trial.number:03d}",
                f"{last.epoch:g}" if last else "",
                *(f"{last.metrics.get(name, math.nan):.4f}" if last else "" for name in shown),
                number(trial.value(self.study.objective)),
                Text(say(trial.state.lower()), style=COLOURS[trial.state]),
                Text(self.language.retell(trial.reason), overflow="ellipsis"),
            )
        return table

    def summary(self) -> str:
        """`12 of 24 trials: 2 running, 10 complete`."""
        return self.language.say("{count} of {trials}: {states}", **self._counts())

    def _counts(self) -> dict[str, object]:
        states, say = Counter(trial.state for trial in self.history.trials), self.language.say
        counts = [say("{count} {state}", count=states[one], state=say(one.lower())) for one in State if states[one]]
        return {
            "count": len(self.history.trials),
            "planned": self.study.search.trials,
            "trials": count(self.study.search.trials, "trial", self.language),
            "states": ", ".join(counts) or say("none yet"),
        }

    def best_so_far(self) -> str:
        """Of trials that ended regularly, the winner; empty before there is one."""
        objective = self.study.objective
        if self.study.objectives:
            front = self.history.front(self.study.aims)
            of = "{trials} on the front, hypervolume {hypervolume:.3f}"
            size = hypervolume_of(self.history, self.study.aims)
            return (
                self.language.say(of, trials=count(len(front), "trial", self.language), hypervolume=size)
                if front
                else ""
            )
        found = winner(self.history, objective)
        if found is None:
            return ""
        value = number(found.value(objective))
        return self.language.say(
            "{metric} {value} in trial {trial:03d}", metric=objective.metric, value=value, trial=found.number
        )

    def _below(self, encoding: str) -> list[tuple[str, str]]:
        """(heading, text) of each line below the trials."""
        say = self.language.say
        lines = [(say("trials"), say("{count} of {planned}: {states}", **self._counts()))]
        if best := self.best_so_far():
            curve = sparkline(self.best, self.account.epochs) if encoding.startswith("utf") else ""
            lines.append((say("front"), best) if self.study.objectives else (say("best"), f"{best}  {curve}"))
        if self.rungs:
            lines.append((say("rungs"), self.reached()))
        if repeats := self.history.repeats:
            ended = sum(run.state.ended for run in repeats)
            said = say("{ended} of {runs} runs of these trials with fresh seeds", ended=ended, runs=len(repeats))
            lines.append((say("again"), said))
        lines.append((say("cost"), self.cost()))
        if not self.history.finished:
            lines += [(say("using"), usage()), ("", self.hint)]
        return lines

    def reached(self) -> str:
        """How many trials came to each rung: `14 at 2, 8 at 4, 5 at 6 epochs`."""
        say, epochs = self.language.say, [trial.epochs for trial in self.history.trials]
        counts = ((sum(one >= rung for one in epochs), rung) for rung in self.rungs)
        return say(
            "{counts} epoch" if self.rungs[-1] == 1 else "{counts} epochs",
            counts=", ".join(say("{count} at {rung:g}", count=count, rung=rung) for count, rung in counts),
        )

    def cost(self) -> str:
        """`42 epochs in 6 min; likely: 78 to 110 epochs, about 5 min left`."""
        say, time = self.language.say, duration(self.account.seconds, self.language)
        said = say("{epochs} in {time}", epochs=count(self.account.epochs, "epoch", self.language), time=time)
        if (money := self.study.budget.cost(self.account)) is not None:
            said += say(", {money:.2f} in money", money=money)
        if self.forecast and not self.history.finished:
            said += say("; likely: {epochs}", epochs=self.forecast.epochs(self.language))
        if self.left is not None:
            said += say(", about {time} left", time=duration(self.left, self.language))
        return said

    @property
    def left(self) -> float | None:
        """Seconds, at the pace so far, start-up and all."""
        if self.forecast is None or self.history.finished or not self.account.epochs:
            return None
        epochs = self.forecast.median - self.account.epochs
        return epochs / self.account.epochs * self.account.seconds if epochs > 0 else None

    def _rank(self, trial: Trial) -> tuple[bool, float, int]:
        value = trial.value(self.study.objective)
        return (
            trial.state.ended,
            -self.study.objective.sign * value if value is not None else math.inf,
            trial.number,
        )


def board_after(
    events: Sequence[Event],
    study: Study,
    hint: str = "",
    forecast: Forecast | None = None,
    language: Language = ENGLISH,
) -> Board:
    """As it stands after so much of the ledger."""
    board = Board(study, hint, forecast, language)
    for event in events:
        board.apply(event)
    return board


def sparkline(best: Sequence[tuple[float, float]], epochs: float) -> str:
    """The best value so far over the epochs spent: `best` at each improvement, (epochs spent, value)."""
    if len(best) < 2:
        return ""
    first, final = best[0][1], best[-1][1]
    heights, place = [], 0
    for column in range(1, SPARK + 1):
        while place + 1 < len(best) and best[place + 1][0] <= epochs * column / SPARK:
            place += 1
        heights.append((best[place][1] - first) / (final - first))
    return "".join(BLOCKS[round(height * (len(BLOCKS) - 1))] for height in heights)

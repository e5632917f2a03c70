"""Results as a person reads them on a terminal."""

from collections import Counter
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from hpo.history import State, Trial
from hpo.results import Results
from hpo.wording import describe


def status_row(results: Results) -> dict[str, Any]:
    states = Counter(trial.state for trial in results.history.trials)
    winner = results.history.winner(results.objective)
    return {
        "study": results.study.study,
        "state": results.state,
        "trials": {state.lower(): states[state] for state in State if states[state]},
        "of": results.study.search.trials,
        "metric": results.objective.metric,
        "best": winner.value(results.objective) if winner else None,
    }


def print_status(found: list[Results]) -> None:
    if not found:
        print("no studies here yet; `hpo run search_spaces/smoke.yaml` makes the first")
        return
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("study", "state", "trials", "best"):
        table.add_column(heading)
    for results in found:
        row = status_row(results)
        counts = ", ".join(f"{count} {state}" for state, count in row["trials"].items()) or "none"
        best = f"{row['metric']} {row['best']:.4f}" if row["best"] is not None else ""
        table.add_row(row["study"], row["state"], f"{counts} of {row['of']}", best)
    Console().print(table)


def print_trials(results: Results) -> None:
    """Best first, each with its parameters."""
    objective = results.objective
    title = f"study {results.study.study}: {results.state}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("trial", objective.metric, "epochs", "state"):
        table.add_column(heading, no_wrap=True)
    table.add_column("parameters")

    def rank(trial: Trial) -> tuple[bool, float]:
        value = trial.value(objective)
        return value is None, -objective.sign * (value or 0.0)

    for trial in sorted(results.history.trials, key=rank):
        value = trial.value(objective)
        table.add_row(
            f"{trial.number:03d}",
            f"{value:.4f}" if value is not None else "",
            f"{trial.evaluations[-1].epoch:g}" if trial.evaluations else "0",
            trial.state.lower(),
            describe(trial),
        )
    Console().print(table)
    print_winner(results)


def print_winner(results: Results) -> None:
    name, objective = results.study.study, results.objective
    winner = results.history.winner(objective)
    if winner is None:
        print(f"{name}: no trial came to a regular end yet")
        return
    best = winner.best(objective)
    assert best is not None
    value = f"{objective.metric} {best.metrics[objective.metric]:.4f}"
    print(f"{name}: best {value} in trial {winner.number:03d}, epoch {best.epoch:g}: {describe(winner)}")
    if results.state == "finished" and results.study.registry:
        print(
            f"next: `hpo promote {name}` scores it on the sealed test split and makes it the champion; "
            "`hpo ui` shows all trials"
        )

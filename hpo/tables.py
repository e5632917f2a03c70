"""Results as a person reads them on a terminal."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from hpo.front import said
from hpo.history import State, Trial
from hpo.language import ENGLISH, Language
from hpo.results import Results
from hpo.wording import confirmed, count, describe, duration, run_name

MOST_OF_FRONT = 10  # trials of a front that are told one by one


def console() -> Console:
    """Values are shown as they are: `[/b]` and `:smile:` are no mark-up."""
    return Console(markup=False, emoji=False, highlight=False)


def status_rows(found: list[Results], unreadable: Mapping[str, str]) -> list[dict[str, Any]]:
    rows = [_status_row(results) for results in found]
    return rows + [{"study": name, "state": "unreadable", "reason": reason} for name, reason in unreadable.items()]


def _status_row(results: Results) -> dict[str, Any]:
    states = Counter(trial.state for trial in results.history.trials)
    if results.state == "interrupted":  # nobody trains them: they wait for `hpo resume`
        states[State.WAITING] += states.pop(State.RUNNING, 0)
    winner = results.winner
    return {
        "study": results.study.study,
        "state": results.state,
        "trials": {state.lower(): states[state] for state in State if states[state]},
        "of": results.study.search.trials,
        "metric": results.objective.metric,
        "best": winner.value(results.objective) if winner else None,
        **({"front": len(results.front), "hypervolume": results.hypervolume} if results.study.objectives else {}),
    }


def print_status(found: list[Results], unreadable: Mapping[str, str], language: Language = ENGLISH) -> None:
    rows, say = status_rows(found, unreadable), language.say
    if not rows:
        print(say("no studies here yet; `hpo run search_spaces/smoke.yaml` makes the first"))
        return
    table = Table(box=box.SIMPLE_HEAD)
    for heading in (say("study"), say("state"), say("trials"), say("best")):
        table.add_column(heading)
    for row in rows:
        if row["state"] == "unreadable":
            table.add_row(row["study"], say("unreadable"), language.retell(row["reason"]))
            continue
        counts = [say("{count} {state}", count=count, state=say(state)) for state, count in row["trials"].items()]
        trials = say("{counts} of {planned}", counts=", ".join(counts) or say("none"), planned=row["of"])
        best = f"{row['metric']} {row['best']:.4f}" if row["best"] is not None else ""
        best = say("a front of {trials}", trials=row["front"]) if row.get("front") else best
        table.add_row(row["study"], say(row["state"]), trials, best)
    console().print(table)


def print_trials(results: Results, language: Language = ENGLISH) -> None:
    """Best first, each with its parameters; of several objectives the front first."""
    objective, aims, front = results.objective, results.study.aims, {trial.number for trial in results.front}
    say = language.say
    title = say("study {study}: {state}", study=results.study.study, state=say(results.state))
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for heading in (say("trial"), *(one.metric for one in aims), say("epochs"), say("state")):
        table.add_column(heading, no_wrap=True)
    table.add_column(say("parameters"))

    def rank(trial: Trial) -> tuple[bool, bool, float]:
        value = trial.value(objective)
        return trial.number not in front, value is None, -objective.sign * (value or 0.0)

    for trial in sorted(results.history.trials, key=rank):
        values = trial.values(aims) or (None,) * len(aims)
        table.add_row(
            f"{trial.number:03d}",
            *(f"{value:.4f}" if value is not None else "" for value in values),
            f"{trial.epochs:g}",
            say("front") if trial.number in front else say(trial.state.lower()),
            describe(trial, language),
        )
    console().print(table)
    if results.warm_start:
        print(language.retell(results.warm_start.words))
    print_winner(results, language)


def cost_line(results: Results, language: Language = ENGLISH) -> str:
    """`cost: 80 epochs in 14 min, 0.23 GPU-hours; stopping saved 136 epochs, about 22 min of training`."""
    cost, say = results.cost, language.say
    line = say(
        "cost: {epochs} in {time}",
        epochs=count(cost["epochs"] or 0, "epoch", language),
        time=duration(cost["seconds"] or 0, language),
    )
    if cost["gpu_hours"]:
        line += say(", {hours:.3g} GPU-hours", hours=cost["gpu_hours"])
    if cost["money"] is not None:
        line += say(", {money:.2f} in money", money=cost["money"])
    if cost["saved_epochs"]:
        saved = duration(cost["saved_seconds"] or 0, language)
        line += say(
            "; stopping saved {epochs}, about {time} of training",
            epochs=count(cost["saved_epochs"], "epoch", language),
            time=saved,
        )
    return line


def print_winner(results: Results, language: Language = ENGLISH) -> None:
    if results.study.objectives:
        return print_front(results, language)
    study, objective, say = results.study.study, results.objective, language.say
    winner = results.winner
    if winner is None:
        return print_no_winner(results, language)
    best = winner.best(objective)
    assert best is not None
    print(
        say(
            "{study}: best {metric} {value:.4f} in trial {trial:03d}, epoch {epoch:g}: {params}",
            study=study,
            metric=objective.metric,
            value=best.metrics[objective.metric],
            trial=winner.number,
            epoch=best.epoch,
            params=describe(winner, language),
        )
    )
    for line in confirmed(results.confirmation, objective.metric, language) if results.confirmation else ():
        print(f"  {line}")
    print(cost_line(results, language))
    if results.state == "finished" and results.study.registry:
        print(
            say(
                "next: `hpo promote {study}` scores it on the sealed test split and makes it the champion; "
                "`hpo ui` shows all trials",
                study=study,
            )
        )


def print_no_winner(results: Results, language: Language = ENGLISH) -> None:
    study, ended, say = results.study.study, results.history.ended, language.say
    if results.state != "finished" or not ended:
        print(say("{study}: no trial came to a regular end yet", study=study))
        return
    first = ended[0]
    print(
        say(
            "{study}: no trial came to a regular end; trial {trial:03d}: {reason}; "
            "`hpo why {study} {trial}` tells more",
            study=study,
            trial=first.number,
            reason=language.retell(first.reason),
        )
    )


def print_front(results: Results, language: Language = ENGLISH) -> None:
    """The trials that a person may choose from."""
    study, aims, front, say = results.study.study, results.study.aims, results.front, language.say
    if not front:
        return print_no_winner(results, language)
    print(
        say(
            "{study}: {trials} on the Pareto front ({aims}); hypervolume {hypervolume:.3f}",
            study=study,
            trials=count(len(front), "trial", language),
            aims=", ".join(map(str, aims)),
            hypervolume=results.hypervolume,
        )
    )
    for trial in front[:MOST_OF_FRONT]:
        print(f"  {run_name(trial, language)}: {said(trial, aims)}: {describe(trial, language)}")
    if len(front) > MOST_OF_FRONT:
        print("  " + say("and {more} more: `hpo show {study}`", more=len(front) - MOST_OF_FRONT, study=study))
    print(cost_line(results, language))
    if results.state == "finished" and results.study.registry:
        print(
            say(
                "next: choose one, such as `hpo promote {study} --trial {trial}`, which scores it on the sealed test "
                "split and makes it the champion; `hpo report {study}` draws the front",
                study=study,
                trial=front[0].number,
            )
        )

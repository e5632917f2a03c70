"""The events of a study in words, a line each: for pipes, log files, screen readers, and the last ones on a screen."""

import math
from collections.abc import Sequence

from hpo.event import Event
from hpo.history import History
from hpo.language import ENGLISH, Language
from hpo.objective import Objective
from hpo.packing import told
from hpo.wording import describe, duration, run_name

WORDS = {
    "raised": "{run} raised: {reason}",
    "paused": "{run} pauses: {reason}",
    "continued": "{run} goes on: {reason}",
}


def line(event: Event, history: History, objectives: Sequence[Objective], language: Language = ENGLISH) -> str:
    """Of an event that `history` has taken in; empty for those that only the record needs."""
    say, reason = language.say, language.retell(str(event.payload.get("reason", "")))
    if event.kind == "finished":
        return reason
    if event.kind == "enough":
        return say("no further trial is begun: {reason}", reason=reason)
    if event.kind == "searched":
        return say(
            "{reason}; trials {finalists} are trained again with {seeds} fresh seeds each",
            reason=reason,
            finalists=", ".join(f"{trial:03d}" for trial in event.payload["finalists"]),
            seeds=len(event.payload["seeds"]),
        )
    if event.kind == "measured":
        return language.retell(f"packing: {told(event.payload)}")
    if event.trial is None:
        return ""
    trial = history.run(event.trial)
    run = run_name(trial, language)
    if event.kind == "started":
        params, step = describe(trial, language), event.payload["from_step"]
        if trial.attempt > 1 and not step:
            return say("{run} started again: {params}", run=run, params=params)
        if trial.attempt > 1:
            return say("{run} started again, from report {step}: {params}", run=run, step=step, params=params)
        return say("{run} started: {params}", run=run, params=params)
    if event.kind == "reported":
        last = trial.evaluations[-1]
        values = ", ".join(f"{one.metric} {last.metrics.get(one.metric, math.nan):.4f}" for one in objectives)
        time = duration(last.seconds, language)
        return say("{run} epoch {epoch:g}: {values}, {time}", run=run, epoch=last.epoch, values=values, time=time)
    if event.kind == "ended":
        best = number(trial.value(objectives[0])) or say("none")
        state = say(trial.state.lower())
        return say("{run} {state}: {reason} (best {best})", run=run, state=state, reason=reason, best=best)
    if event.kind == "lost":
        lost = "{run} lost its worker: {reason}" if event.payload["counts"] else "{run} waits: {reason}"
        return say(lost, run=run, reason=reason)
    return say(WORDS[event.kind], run=run, reason=reason) if event.kind in WORDS else ""


def number(value: float | None) -> str:
    """Of the objective, in four places; empty where there is none."""
    return f"{value:.4f}" if value is not None else ""

"""A study's ledger as frames and plain values: what figures and pages are made from."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from dashboards.study import FINALISTS, PROGRESS, REPEATED, Aim, Parameter, StudyData
from hpo import evaluations
from hpo.domains import Choice, Constant, LogInteger, LogUniform
from hpo.event import Event
from hpo.front import progress
from hpo.history import REGULAR
from hpo.packing import told
from hpo.paths import StudyPaths
from hpo.redaction import redact, redacted
from hpo.results import Results
from hpo.space import Parameter as Searched

TRIAL_COLUMNS = ["trial", "state", "value", "best_step", "epochs", "seconds", "attempts", "reason", "asked", "ended"]
REPORT_COLUMNS = ["trial", "state", "step", "epoch", "value", "seconds", "time"]
RUNG_COLUMNS = ["trial", "rung"]
NONE = (None, None, None)
EVALUATION = "evaluation.json"  # what a checkpoint of train_fn says of itself


def study_data(results: Results) -> StudyData:
    """Of the trials the same numbers as `hpo show --json` has: they come from there."""
    shown, study, history, events = results.as_json(), results.study, results.history, results.events
    trials = pd.DataFrame(shown["trials"], columns=[name for name in TRIAL_COLUMNS if name not in ("asked", "ended")])
    trials = trials.assign(
        value=trials["value"].astype(float),
        reason=trials["reason"].map(redact),
        state=trials["state"].astype(str),
        asked=[trial.asked for trial in history.trials],
        ended=pd.Series([trial.ended for trial in history.trials], dtype=float),
    )
    parameters = {name: parameter for name, parameter in study.space.items()}
    winner = shown["best"]["trial"] if shown["best"] else None
    return StudyData(
        name=study.study,
        state=results.state,
        reason=history.finished,
        planned=study.search.trials,
        metric=study.objective.metric,
        higher_is_better=study.objective.sign > 0,
        winner=winner,
        parameters=tuple(axis(name, parameter) for name, parameter in parameters.items()),
        trials=trials[TRIAL_COLUMNS],
        params=pd.DataFrame(
            {
                name: pd.Series([trial.params.get(name) for trial in history.trials], dtype=object)
                for name in parameters
            },
            index=trials.index,
        ),
        shares=pd.DataFrame(
            {
                name: [share(parameter, trial.params, name) for trial in history.trials]
                for name, parameter in parameters.items()
            },
            index=trials.index,
            dtype=float,
        ),
        reports=reports(results),
        rungs=rungs(events),
        repeats=repeats(results),
        finalists=finalists(results),
        **(of_several(results) if study.objectives else {}),
        evaluation=redacted(evaluation(results)),
        data=redacted(history.record.get("data", {})),
        test=next(
            (event.payload for event in reversed(events) if event.kind == "test_opened" and event.trial == winner), {}
        ),
        origin=origin(results),
    )


def of_several(results: Results) -> dict[str, Any]:
    """The front and what it was found among: what `StudyData` has of several objectives alone."""
    aims, trials = results.study.aims, results.history.trials
    values = [trial.values(aims) or (float("nan"),) * len(aims) for trial in trials]
    steps = [(one.trial, one.ended, one.hypervolume, one.trials) for one in progress(results.history, aims)]
    return {
        "aims": tuple(Aim(metric=one.metric, higher_is_better=one.sign > 0) for one in aims),
        "values": pd.DataFrame(values, columns=[one.metric for one in aims], dtype=float),
        "front": tuple(trial.number for trial in results.front),
        "progress": pd.DataFrame(steps, columns=PROGRESS),
    }


def axis(name: str, parameter: Searched) -> Parameter:
    domain = parameter.domain
    edge = max(0.05, 0.5 / domain.cells) if domain.cells else 0.05
    common: dict[str, Any] = {"name": name, "conditional": bool(parameter.when), "edge": edge}
    if isinstance(domain, (Choice, Constant)):
        return Parameter(scale="category", values=tuple(str(value) for value in domain.ends()), **common)
    low, high = (float(end) for end in domain.ends())  # type: ignore[arg-type]
    scale = "log" if isinstance(domain, (LogUniform, LogInteger)) else "linear"
    return Parameter(scale=scale, low=low, high=high, **common)  # type: ignore[arg-type]


def share(parameter: Searched, params: dict[str, Any], name: str) -> float:
    return parameter.domain.share(params[name]) if name in params else float("nan")


def reports(results: Results) -> pd.DataFrame:
    metric = results.objective.metric
    rows = [
        (trial.number, str(trial.state), one.step, one.epoch, one.metrics.get(metric), one.seconds, one.time)
        for trial in results.history.trials
        for one in trial.evaluations
    ]
    frame = pd.DataFrame(rows, columns=REPORT_COLUMNS)
    values = frame["value"].astype(float)
    return frame.assign(value=values.where(values.abs() != float("inf")))


def repeats(results: Results) -> pd.DataFrame:
    rows = [
        (run.confirms, run.seed, str(run.state), run.value(results.objective) if run.state in REGULAR else None)
        for run in results.history.repeats
    ]
    return pd.DataFrame(rows, columns=REPEATED).astype({"value": float})


def finalists(results: Results) -> pd.DataFrame:
    """The numbers of `hpo show --json`."""
    found = results.confirmation
    if found is None:
        return pd.DataFrame(columns=FINALISTS)
    rows = [
        (
            one.trial,
            one.search,
            *((one.confirmed.mean, one.confirmed.low, one.confirmed.high) if one.confirmed else NONE),
            one.optimism,
            *((one.behind.mean, one.behind.low, one.behind.high) if one.behind else NONE),
            one.seconds,
            one.alike,
            found.chosen == one.trial,
            redact(one.reason),
        )
        for one in found.finalists
    ]
    frame = pd.DataFrame(rows, columns=FINALISTS)
    numbers = [name for name in FINALISTS if name not in ("trial", "alike", "chosen", "reason")]
    return frame.astype({**dict.fromkeys(numbers, float), "alike": bool, "chosen": bool})


def rungs(events: list[Event]) -> pd.DataFrame:
    """Once each, also of what was decided again after a crash."""
    judged = [event for event in events if event.kind == "decided" and "rung" in event.payload]
    places = dict.fromkeys((event.trial, event.payload["rung"]) for event in judged)
    return pd.DataFrame([*places], columns=RUNG_COLUMNS)


def evaluation(results: Results) -> dict[str, Any]:
    """What the winner's best report and its checkpoint tell, beside the metrics of that report."""
    winner = results.winner
    best = winner.best(results.objective) if winner else None
    if winner is None or best is None:
        return {}
    folder = StudyPaths.of(results.study.study).trial(winner.number)
    told = evaluations.read(folder, best.step)
    metrics = {"metrics": best.metrics} if told else {}
    return {**metrics, **_of_checkpoint(folder / best.checkpoint if best.checkpoint else None), **told}


def _of_checkpoint(checkpoint: Path | None) -> dict[str, Any]:
    """Empty where it keeps none, or is gone."""
    try:
        found = json.loads((checkpoint / EVALUATION).read_text(encoding="utf-8")) if checkpoint else {}
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def origin(results: Results) -> dict[str, str]:
    study, record = results.study, results.history.record
    return {
        "trainable": study.trainable,
        "searcher": study.search.searcher,
        "scheduler": json.dumps(study.search.scheduler),
        "seed": str(study.search.seed),
        "packing": told(results.history.measured) if results.history.measured else "",
        "data fingerprint": record.get("data", {}).get("fingerprint", ""),
        **{name: str(value) for name, value in record.get("environment", {}).items()},
    }

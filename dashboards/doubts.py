"""What to distrust in a study, each with what to do about it: one function, one doubt."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from dashboards import rungs
from dashboards.answer import Answer
from dashboards.importance import Importance
from dashboards.section import Section
from dashboards.study import StudyData, Words, records, said
from dashboards.verdicts import Verdict

UNINFORMATIVE = 0.3  # rank correlation of a rung and the end
RARE = 10  # validation rows of a class: fewer say little
OFTEN = 0.25  # share of trials that diverged or failed
FELL = 0.02  # of the winner's score, from its best report to its last


@dataclass(frozen=True, kw_only=True)
class Doubt:
    code: str  # the texts are `doubt_CODE` and `doubt_CODE_do`
    values: dict[str, Any] = field(default_factory=dict)  # that stand in them


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the doubts are drawn from."""

    study: StudyData
    answer: Answer | None
    importance: Importance | None
    verdicts: list[Verdict]


def data(found: Found) -> list[Doubt]:
    """The gravest first."""
    return [doubt for rule in RULES for doubt in rule(found)]


def section(raised: list[Doubt], words: Words) -> Section:
    points = [
        (words[f"doubt_{doubt.code}"].format(**doubt.values), words[f"doubt_{doubt.code}_do"].format(**doubt.values))
        for doubt in raised
    ]
    text = words["text_doubts" if points else "no_doubts"]
    return Section(name="doubts", title=words["section_doubts"], text=[text], points=points)


def unfinished(found: Found) -> Iterator[Doubt]:
    study = found.study
    if study.state != "finished":
        yield Doubt(code="unfinished", values={"ended": int(study.trials["ended"].count()), "planned": study.planned})


def no_winner(found: Found) -> Iterator[Doubt]:
    trials = found.study.trials
    if found.answer is None and not found.study.front and trials["ended"].count():
        values = {"trials": int(trials["ended"].count()), "reason": commonest(trials["reason"])}
        yield Doubt(code="no_winner", values=values)


def leaks(found: Found) -> Iterator[Doubt]:
    rows = found.study.data.get("rows", {})
    for splits, leak in found.study.data.get("report", {}).get("leaks", {}).items():
        one, _, other = splits.partition("-")
        share = (leak["exact"] + leak["near"]) / rows[other] if rows.get(other) else 0.0
        values = {"exact": leak["exact"], "near": leak["near"], "one": one, "other": other, "share": share}
        yield Doubt(code="leak", values=values)


def unstable_seeds(found: Found) -> Iterator[Doubt]:
    """Luck of the seed is worth more than what lies between the two best trials."""
    answer, values = found.answer, found.study.sign * found.study.scored["value"]
    if answer and answer.noise is not None and len(values) > 1:
        gap = float(values.iloc[0] - values.iloc[1])
        if answer.noise > gap:
            yield Doubt(code="unstable_seeds", values={"noise": answer.noise, "gap": gap})


def alike(found: Found) -> Iterator[Doubt]:
    answer = found.answer
    if answer and answer.interval and answer.alike:
        values = {"alike": answer.alike, "ranked": answer.ranked, "rows": answer.interval.rows}
        yield Doubt(code="alike", values=values)


def one_seed(found: Found) -> Iterator[Doubt]:
    if found.answer and found.answer.seeds == 1:
        yield Doubt(code="one_seed", values={"ranked": found.answer.ranked})


def unconfirmed(found: Found) -> Iterator[Doubt]:
    """Finalists were trained again, and none came to its end with every seed."""
    finalists = found.study.finalists
    if found.study.state == "finished" and len(finalists) and not finalists["chosen"].any():
        yield Doubt(code="unconfirmed", values={"reason": commonest(finalists["reason"])})


def finalists_alike(found: Found) -> Iterator[Doubt]:
    finalists = found.study.finalists
    if count := int(finalists["alike"].sum()):
        yield Doubt(code="finalists_alike", values={"count": count, "best": f"{finalists['trial'].iloc[0]:03d}"})


def edges(found: Found) -> Iterator[Doubt]:
    for verdict in found.verdicts:
        if verdict.kind in ("widen_low", "widen_high"):
            end = verdict.parameter.low if verdict.kind == "widen_low" else verdict.parameter.high
            values = {"parameter": verdict.parameter.name, "value": winners(found, verdict), "end": said(end)}
            yield Doubt(code=f"edge_{verdict.kind.removeprefix('widen_')}", values=values)


def often_without(found: Found) -> Iterator[Doubt]:
    trials = found.study.trials
    for state in ("DIVERGED", "FAILED"):
        those = trials[trials["state"] == state]
        if found.answer and len(those) > OFTEN * len(trials):
            values = {"count": len(those), "of": len(trials), "reason": commonest(those["reason"])}
            yield Doubt(code=f"often_{state.lower()}", values=values)


def still_rising(found: Found) -> Iterator[Doubt]:
    """The winner's best report is the last of the full budget."""
    row, trials = found.study.winning, found.study.trials
    full = trials.loc[trials["state"] == "COMPLETE", "epochs"].max()
    if (
        row
        and row["best_step"] > 1
        and row["epochs"] >= full
        and row["best_step"] == winners_reports(found)[-1]["step"]
    ):
        yield Doubt(code="still_rising", values={"epochs": f"{row['epochs']:g}"})


def fell(found: Found) -> Iterator[Doubt]:
    answer = found.answer
    if answer:
        last = winners_reports(found)[-1]["value"]
        if found.study.sign * (answer.value - last) > FELL * abs(answer.value):
            yield Doubt(code="fell", values={"best": answer.value, "epoch": f"{answer.epoch:g}", "last": last})


def uninformative_rungs(found: Found) -> Iterator[Doubt]:
    for row in records(rungs.data(found.study)):
        if row["correlation"] < UNINFORMATIVE and row["stopped"]:
            values = {"rung": f"{row['rung']:g}", "correlation": row["correlation"], "finished": row["finished"]}
            yield Doubt(code="uninformative_rung", values=values)


def unimportant(found: Found) -> Iterator[Doubt]:
    importance, parameters = found.importance, len(found.study.parameters)
    if parameters > 1 and (importance is None or importance.few):
        yield Doubt(code="few_trials", values={"trials": len(found.study.ranks()), "parameters": parameters})
    elif importance and not importance.believable:
        yield Doubt(code="unexplained", values={"explained": max(importance.explained, 0.0)})


def flat(found: Found) -> Iterator[Doubt]:
    for verdict in found.verdicts:
        if verdict.kind == "freeze":
            yield Doubt(code="flat", values={"parameter": verdict.parameter.name, "value": winners(found, verdict)})


def never_varied(found: Found) -> Iterator[Doubt]:
    for parameter in found.study.parameters:
        if len(found.study.trials) > 1 and found.study.params[parameter.name].nunique() == 1:
            yield Doubt(code="never_varied", values={"parameter": parameter.name})


def rare_classes(found: Found) -> Iterator[Doubt]:
    classes = found.study.evaluation.get("classes", {})  # of all folds: there is no valid split
    rows = found.study.data.get("classes", {}).get("valid") or {
        label: int(one["rows"]) for label, one in classes.items()
    }
    rare = {label: count for label, count in rows.items() if count < RARE}
    if rare:
        fewest = min(rare, key=lambda label: (rare[label], label))
        values = {"count": len(rare), "label": fewest, "rows": rare[fewest], "rare": RARE}
        yield Doubt(code="rare_classes", values=values)


def winners(found: Found, verdict: Verdict) -> str:
    """The winner's value of a parameter."""
    study = found.study
    return said(study.params[verdict.parameter.name][(study.trials["trial"] == study.winner).to_numpy()].iloc[0])


def winners_reports(found: Found) -> list[dict[str, Any]]:
    return records(found.study.reports[found.study.reports["trial"] == found.study.winner])


def commonest(reasons: Any) -> str:
    return str(reasons[reasons != ""].mode().iloc[0]) if (reasons != "").any() else "?"


RULES: list[Callable[[Found], Iterator[Doubt]]] = [
    unfinished,
    no_winner,
    leaks,
    unstable_seeds,
    alike,
    one_seed,
    unconfirmed,
    finalists_alike,
    edges,
    often_without,
    still_rising,
    fell,
    uninformative_rungs,
    unimportant,
    flat,
    never_varied,
    rare_classes,
]

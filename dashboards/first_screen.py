"""The answer before any scrolling: what is best, how sure that is, and what to do next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboards import pareto
from dashboards.answer import Answer
from dashboards.doubts import Doubt
from dashboards.interval import SAMPLES
from dashboards.section import Card
from dashboards.study import StudyData, Words, said

TOLD = 2  # doubts
TOLD_ELSEWHERE = ("alike", "one_seed", "no_winner", "unfinished")  # by the headline and the second card
MOST_LINES = 9  # parameters, each on a line of its own


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a person may type next; `code` names the words `step_CODE`."""

    code: str
    command: str


def about(study: StudyData, words: Words) -> str:
    others = (f"{words['maximize' if one.higher_is_better else 'minimize']} {one.metric}" for one in study.aims[1:])
    return words["about"].format(
        state=words.get(f"study_{study.state}", study.state),
        ended=int(study.trials["ended"].notna().sum()),
        planned=study.planned,
        direction=words["maximize" if study.higher_is_better else "minimize"],
        metric=", ".join([study.metric, *others]),
    )


def headline(study: StudyData, answer: Answer | None, words: Words) -> str:
    """The answer in one sentence."""
    if study.aims:
        return pareto.headline(study, words)
    if answer is None:
        return words["best_none" if study.state == "finished" else "best_none_yet"]
    values = {"trial": f"{answer.trial:03d}", "metric": study.metric, "value": answer.value}
    if answer.confirmed:
        return words["best_confirmed"].format(**values, **confirmed(answer.confirmed), seeds=answer.seeds)
    seeds = words["one_seed"] if answer.seeds == 1 else words["many_seeds"].format(seeds=answer.seeds)
    if answer.interval:
        low, high = answer.interval.low, answer.interval.high
        return words["best_interval"].format(**values, low=low, high=high, seeds=seeds)
    if answer.noise is not None:
        return words["best_noise"].format(**values, noise=answer.noise, seeds=seeds)
    return words["best_alone"].format(**values, seeds=seeds)


def best(study: StudyData, answer: Answer | None, words: Words) -> Card:
    if study.aims:
        return pareto.best(study, words)
    if answer is None:
        return Card(title=words["best"], text=[headline(study, answer, words)])
    here = (study.trials["trial"] == study.winner).to_numpy()
    params = study.params[here].iloc[0]
    lines = [f"{name} = {said(value)}" for name, value in params.items() if study.shares[name][here].notna().all()]
    values = {"trial": f"{answer.trial:03d}", "metric": study.metric, "value": answer.value}
    first = words["best_is"].format(**values, epoch=f"{answer.epoch:g}")
    return Card(title=words["best"], text=[first, *(lines if len(lines) <= MOST_LINES else [", ".join(lines)])])


def sure(study: StudyData, answer: Answer | None, words: Words) -> Card:
    if study.front:
        return pareto.sure(words)
    if answer is None:
        return Card(title=words["sure"], text=[words["why_no_winner"]])
    lines = []
    if found := answer.interval:
        values = {"low": found.low, "high": found.high, "rows": found.rows, "metric": study.metric}
        lines.append(words["sure_interval"].format(**values, samples=SAMPLES))
        lines.append(
            words["sure_alike" if answer.alike else "sure_none_alike"].format(alike=answer.alike, ranked=answer.ranked)
        )
    elif answer.noise is None:
        lines.append(words["sure_no_interval"].format(metric=study.metric))
    if answer.noise is not None:
        lines.append(words["sure_noise"].format(noise=answer.noise))
    if answer.confirmed:
        lines.append(words["sure_confirmed"].format(**confirmed(answer.confirmed), seeds=answer.seeds))
    if answer.seeds == 1:
        lines.append(words["sure_one_seed"].format(ranked=answer.ranked))
    if answer.test is not None and answer.test_interval:
        low, high = answer.test_interval.low, answer.test_interval.high
        lines.append(words["sure_test_interval"].format(value=answer.test, low=low, high=high))
    elif answer.test is not None:
        lines.append(words["sure_test"].format(value=answer.test))
    return Card(title=words["sure"], text=lines)


def confirmed(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("mean", "low", "high", "search", "optimism")}


def what_next(raised: Sequence[Doubt], steps: Sequence[Step], words: Words) -> Card:
    """The commands first, then the gravest doubts, one of each kind, that the other cards have not told."""
    kinds = {doubt.code: doubt for doubt in reversed(raised) if doubt.code not in TOLD_ELSEWHERE}
    told = [doubt for doubt in raised if kinds.get(doubt.code) is doubt][:TOLD]
    return Card(
        title=words["next"],
        commands=[(words[f"step_{step.code}"], step.command) for step in steps],
        text=[words[f"doubt_{doubt.code}"].format(**doubt.values) for doubt in told],
        link=("doubts", words["more_doubts"].format(count=len(raised))) if raised else None,
    )

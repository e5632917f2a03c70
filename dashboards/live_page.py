"""The page about a study while it runs: what can be told at once; what takes thinking stands in the report."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from dashboards import answer, best_so_far, costs, first_screen, learning_curves, parallel_coordinates, pareto, rungs
from dashboards.page import Live, render
from dashboards.section import Card
from dashboards.study import StudyData, Words
from dashboards.study_report import LANGUAGES, all_trials
from dashboards.theme import STATES


@dataclass(frozen=True, kw_only=True)
class Now:
    """Spent so far by all trials together, and what is likely to be spent in all; None where nobody knows."""

    epochs: float
    seconds: float
    likely: str  # epochs, from one number to another; empty where nothing runs
    left: float | None  # seconds
    machine: str  # how full it is; empty where nothing runs
    last: Sequence[str]  # what happened, the latest first


def live_page(study: StudyData, now: Now, live: Live, language: str) -> str:
    words, best = LANGUAGES[language], answer.data(study)
    counts = Counter(study.trials["state"].str.lower().mask(study.trials["trial"] == study.winner, "winner"))
    return render(
        title=words["title"].format(study=study.name),
        about=first_screen.about(study, words),
        headline=first_screen.headline(study, best, words),
        cards=[
            first_screen.best(study, best, words),
            Card(title=words["live_now"], text=spending(now, words)),
            Card(title=words["live_last"], text=now.last),
        ],
        sections=[
            *([pareto.section(study, words)] if study.aims else []),
            learning_curves.section(study, words),
            best_so_far.section(study, words),
            parallel_coordinates.section(study, words),
            rungs.section(study, words),
            costs.section(study, words),
            all_trials(study, words),
        ],
        states={**{state: counts.pop(state, 0) for state in STATES}, **counts},
        words=words,
        language=language,
        live=live,
    )


def spending(now: Now, words: Words) -> list[str]:
    lines = [words["live_spent"].format(epochs=now.epochs, **time(now.seconds, words))]
    if now.likely:
        lines.append(words["live_likely"].format(epochs=now.likely))
    if now.left is not None:
        lines.append(words["live_left"].format(**time(now.left, words)))
    return [*lines, *filter(None, [now.machine])]


def time(seconds: float, words: Words) -> dict[str, object]:
    size, name = costs.unit(seconds)
    return {"time": seconds / size, "unit": words[name]}

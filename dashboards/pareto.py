"""Several objectives: which trials no other is better than in all of them, and how far they have come (hypervolume)."""

from collections.abc import Sequence
from itertools import combinations
from typing import Literal

import altair as alt
import pandas as pd

from dashboards.section import Card, Figure, Section, cell, empty
from dashboards.section import Table as Listed
from dashboards.study import Aim, StudyData, Words, records
from dashboards.theme import IS_PICKED, PICKED, Chart, tip

MOST_LINES = 9  # trials on the first screen


def data(study: StudyData) -> pd.DataFrame:
    """A row per trial with all values, in the order of the first: trial, on_front, then a column per metric."""
    metrics = [aim.metric for aim in study.aims]
    frame = study.values.reindex(columns=metrics).astype(float)
    frame.insert(0, "trial", study.trials["trial"].to_numpy())
    frame.insert(1, "on_front", study.trials["trial"].isin(study.front).to_numpy())
    return frame.dropna(subset=metrics).sort_values([metrics[0], "trial"], ignore_index=True)


def progress(study: StudyData) -> pd.DataFrame:
    """`StudyData.progress`, and a row for the end of the study where the front had changed before."""
    last, ended = study.progress.iloc[-1:], int(study.trials["ended"].count())
    flat = last.assign(ended=ended)[last["ended"] < ended]
    return pd.concat([study.progress, flat], ignore_index=True) if len(flat) else study.progress


def draw(frame: pd.DataFrame, one: Aim, other: Aim, with_line: bool, words: Words) -> Chart:
    """Trials by two of the objectives; `with_line` draws what the front reaches, where there are no more than these."""
    plain = frame.rename(columns={one.metric: "first", other.metric: "second"})[
        ["trial", "on_front", "first", "second"]
    ]
    plain["said"] = plain["on_front"].map({True: words["on_front"], False: words["off_front"]})
    said = [words["on_front"], words["off_front"]]
    scale = alt.Scale(zero=False)
    axes = {
        "x": alt.X("first:Q", title=axis(one, words), scale=scale),
        "y": alt.Y("second:Q", title=axis(other, words), scale=scale),
    }
    colour = alt.Color("said:N", title=None, scale=alt.Scale(domain=said, range=["var(--winner)", "var(--complete)"]))
    shape = alt.Shape("said:N", title=None, scale=alt.Scale(domain=said, range=["diamond", "circle"]))
    tooltip = [
        tip("trial:Q", words["trial"]),
        tip("first:Q", one.metric, ".4g"),
        tip("second:Q", other.metric, ".4g"),
        tip("said:N", words["state"]),
    ]
    base = alt.Chart(plain)
    points = base.mark_point(filled=True, size=60).encode(**axes, color=colour, shape=shape, tooltip=tooltip)
    picked = base.transform_filter(IS_PICKED).mark_point(size=200, color="var(--picked)", strokeWidth=3).encode(**axes)
    # up to the next trial that is better in the first: nothing between the two reaches farther than it
    step: Literal["step-before", "step-after"] = "step-before" if one.higher_is_better else "step-after"
    reached = base.transform_filter("datum.on_front").mark_line(interpolate=step, opacity=0.5, color="var(--winner)")
    layers = (reached.encode(**axes) + points + picked) if with_line else (points + picked)
    return layers.add_params(PICKED).properties(height=320)


def draw_progress(frame: pd.DataFrame, words: Words) -> Chart:
    axes = {
        "x": alt.X("ended:Q", title=words["ended_trials"], axis=alt.Axis(tickMinStep=1)),
        "y": alt.Y("hypervolume:Q", title=words["hypervolume"], scale=alt.Scale(zero=False)),
    }
    tooltip = [
        tip("ended:Q", words["ended_trials"]),
        tip("trial:Q", words["trial"]),
        tip("hypervolume:Q", words["hypervolume"], ".4f"),
        tip("front:Q", words["on_front"]),
    ]
    base = alt.Chart(frame)
    steps = base.mark_line(interpolate="step-after", color="var(--winner)", strokeWidth=2).encode(**axes)
    points = base.mark_point(filled=True, size=50, color="var(--winner)").encode(**axes, tooltip=tooltip)
    return (steps + points).properties(height=220)


def section(study: StudyData, words: Words) -> Section:
    frame = data(study)
    if frame.empty or not study.front:
        return empty("front", words, "why_no_winner")
    pairs = [*combinations(study.aims, 2)]
    charts = [draw(frame, one, other, len(pairs) == 1, words) for one, other in pairs]
    figures = [Figure(chart=chart, says=words["text_front"]) for chart in charts]
    figures.append(Figure(chart=draw_progress(progress(study), words), says=words["text_hypervolume"]))
    rows = [
        [cell(row["trial"], "trial"), *(cell(row[aim.metric], ".4g") for aim in study.aims)]
        for row in records(frame[frame["on_front"]])
    ]
    headings = [words["trial"], *(axis(aim, words) for aim in study.aims)]
    return Section(
        name="front",
        title=words["section_front"],
        text=[words["text_front"], words["text_hypervolume"]],
        figures=figures,
        tables=[Listed(headings=headings, rows=rows, note=words["sort_hint"])],
    )


def headline(study: StudyData, words: Words) -> str:
    if not study.front:
        return words["best_none" if study.state == "finished" else "best_none_yet"]
    return words["front_headline"].format(count=len(study.front), metrics=named(study.aims))


def best(study: StudyData, words: Words) -> Card:
    """The trials of the front, as many as there is room for."""
    values = {row["trial"]: row for row in records(data(study))}
    lines = [
        f"{trial:03d}: " + ", ".join(f"{aim.metric} {values[trial][aim.metric]:.4g}" for aim in study.aims)
        for trial in study.front[:MOST_LINES]
    ]
    more = len(study.front) - MOST_LINES
    link = ("front", words["more_of_front"].format(count=more)) if more > 0 else None
    return Card(title=words["best"], text=[headline(study, words), *lines], link=link)


def sure(words: Words) -> Card:
    return Card(title=words["sure"], text=[words["sure_front"]])


def axis(aim: Aim, words: Words) -> str:
    return f"{aim.metric} ({words['maximize' if aim.higher_is_better else 'minimize']})"


def named(aims: Sequence[Aim]) -> str:
    return ", ".join(aim.metric for aim in aims)

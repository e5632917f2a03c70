"""What was left of each finalist's score on fresh seeds: what the search promised, and what can be expected."""

import altair as alt
import pandas as pd

from dashboards.section import Cell, Figure, Section, Table, cell, empty
from dashboards.study import StudyData, Words, records
from dashboards.theme import Chart, tip

ROW = 48  # pixels of a finalist
BELOW = 14  # pixels from the bar of a finalist to its single runs


def data(study: StudyData) -> pd.DataFrame:
    """The finalists, the best confirmed score first, as `StudyData.finalists` has them."""
    return study.finalists


def runs(study: StudyData) -> pd.DataFrame:
    """A row per run of a finalist with a fresh seed: trial, seed, value."""
    of_finalists = study.repeats["trial"].isin(study.finalists["trial"]) & study.repeats["value"].notna()
    return study.repeats.loc[of_finalists, ["trial", "seed", "value"]].reset_index(drop=True)


def draw(frame: pd.DataFrame, found: pd.DataFrame, metric: str, words: Words) -> Chart:
    """A bar from end to end of the interval, a point for the mean, a tick for the search score; below it each run."""
    order = [f"{trial:03d}" for trial in frame["trial"]]
    named = frame.assign(name=order)
    y = alt.Y("name:N", title=words["trial"], sort=order)
    scale = alt.Scale(zero=False)
    tooltip = [
        tip("name:N", words["trial"]),
        tip("mean:Q", words["confirmed"], ".4f"),
        tip("low:Q", words["confirmed_low"], ".4f"),
        tip("high:Q", words["confirmed_high"], ".4f"),
        tip("search:Q", words["search_score"], ".4f"),
    ]
    base = alt.Chart(named).encode(y=y)
    colour = alt.condition("datum.chosen", alt.value("var(--winner)"), alt.value("var(--complete)"))
    bars = base.mark_rule(strokeWidth=4, strokeCap="round").encode(
        x=alt.X("low:Q", title=metric, scale=scale), x2="high:Q", color=colour
    )
    means = base.mark_point(filled=True, size=130, opacity=1).encode(
        x=alt.X("mean:Q", title=metric, scale=scale), color=colour, tooltip=tooltip
    )
    search = base.mark_tick(thickness=2, size=22, color="var(--ink)", opacity=1).encode(
        x=alt.X("search:Q", title=metric, scale=scale), tooltip=tooltip
    )
    dots = (
        alt.Chart(found.assign(name=[f"{trial:03d}" for trial in found["trial"]]))
        .mark_point(shape="diamond", size=36, color="var(--ink-2)", yOffset=BELOW)
        .encode(
            y=y,
            x=alt.X("value:Q", title=metric, scale=scale),
            tooltip=[tip("name:N", words["trial"]), tip("seed:N", words["seed"]), tip("value:Q", metric, ".4f")],
        )
    )
    return (bars + search + means + dots).properties(height=ROW * len(frame))


def section(study: StudyData, words: Words) -> Section:
    frame = data(study)
    if frame.empty:
        return empty("confirmation", words, "why_no_confirmation")
    there = frame[frame["mean"].notna()]
    figures = (
        [] if there.empty else [Figure(chart=draw(there, runs(study), study.metric, words), says=says(frame, words))]
    )
    return Section(
        name="confirmation",
        title=words["section_confirmation"],
        text=[words["text_confirmation"], says(frame, words)],
        figures=figures,
        tables=[numbers(frame, words)],
    )


def numbers(frame: pd.DataFrame, words: Words) -> Table:
    """An interval stands with its mean: apart, they make the table wider than a page."""
    names = ["trial", "search_score", "confirmed", "optimism", "behind", "seconds_of_run"]
    names += ["reason"] if frame["reason"].any() else []
    rows = [
        [
            cell(row["trial"], "trial"),
            cell(row["search"], ".4f"),
            with_interval(row["mean"], row["low"], row["high"], words),
            cell(row["optimism"], "+.4f"),
            with_interval(row["behind"], row["behind_low"], row["behind_high"], words),
            cell(row["seconds"], ",.3g"),
            Cell(row["reason"]),
        ][: len(names)]
        for row in records(frame)
    ]
    return Table(headings=[words[name] for name in names], rows=rows)


def with_interval(mean: float, low: float, high: float, words: Words) -> Cell:
    return Cell("") if mean != mean else Cell(words["with_interval"].format(mean=mean, low=low, high=high), mean)


def says(frame: pd.DataFrame, words: Words) -> str:
    """What came out, in one sentence."""
    chosen = next(iter(records(frame[frame["chosen"].astype(bool)])), None)
    if chosen is None:
        return words["confirmed_none"]
    trials = ", ".join(f"{trial:03d}" for trial in frame.loc[frame["alike"].astype(bool), "trial"])
    if not trials:
        return words["told_apart"].format(trial=f"{chosen['trial']:03d}")
    best = f"{frame['trial'].iloc[0]:03d}"
    code = "not_told_apart" if chosen["trial"] == frame["trial"].iloc[0] else "cheapest_taken"
    return words[code].format(best=best, trials=trials, trial=f"{chosen['trial']:03d}")

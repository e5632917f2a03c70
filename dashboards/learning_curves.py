"""The objective of every trial over the epochs, and where each was stopped."""

import altair as alt
import pandas as pd

from dashboards.section import Figure, Section, cut_off, empty, said_state, table, thinned
from dashboards.study import StudyData, Words
from dashboards.theme import (
    HEIGHT,
    IS_NO_WINNER,
    IS_PICKED,
    IS_SHOWN,
    IS_WINNER,
    PICKED,
    SHOWN,
    Chart,
    state_colour,
    state_said,
    state_shape,
    tip,
    value_axis,
)

FEW = 50  # curves: more are drawn fainter


def data(study: StudyData) -> pd.DataFrame:
    """A row per evaluation of a drawn trial: trial, state, epoch, value, last; the winner's state is `winner`."""
    seen = study.reports[study.reports["trial"].isin(study.drawn()) & study.reports["value"].notna()]
    frame = seen[["trial", "state", "epoch", "value"]].sort_values(["trial", "epoch"], ignore_index=True)
    frame["state"] = frame["state"].str.lower().mask(frame["trial"] == study.winner, "winner")
    return frame.assign(last=~frame.duplicated("trial", keep="last"))


def draw(frame: pd.DataFrame, metric: str, words: Words, limit: float | None = None) -> Chart:
    """A line per trial with its end marked; the winner in front, and the trial that was picked before it."""
    base = alt.Chart(frame).transform_filter(IS_SHOWN).transform_calculate(said=state_said(words))
    axes = {
        "x": alt.X(
            "epoch:Q",
            title=words["epoch"],
            axis=alt.Axis(tickMinStep=1),
            scale=alt.Scale(zero=False, nice=False, padding=12),
        ),
        "y": value_axis(metric, frame["value"], limit),
        "detail": "trial:N",
    }
    tooltip = [
        tip("trial:Q", words["trial"]),
        tip("said:N", words["state"]),
        tip("epoch:Q", words["epoch"]),
        tip("value:Q", metric, ".4f"),
    ]
    others = base.transform_filter(IS_NO_WINNER)
    lines = others.mark_line(
        clip=True, strokeWidth=1.2, opacity=0.6 if frame["trial"].nunique() < FEW else 0.35
    ).encode(**axes, color=state_colour())
    winner = base.transform_filter(IS_WINNER).mark_line(clip=True, strokeWidth=3).encode(**axes, color=state_colour())
    picked = base.transform_filter(IS_PICKED).mark_line(clip=True, strokeWidth=4, color="var(--picked)").encode(**axes)
    ends = (
        base.transform_filter("datum.last")
        .mark_point(clip=True, filled=True, size=45)
        .encode(**axes, color=state_colour(), shape=state_shape())
    )
    touch = base.mark_point(clip=True, opacity=0, size=120).encode(**axes, tooltip=tooltip)
    return (lines + winner + ends + picked + touch).add_params(SHOWN, PICKED).properties(height=HEIGHT)


def section(study: StudyData, words: Words) -> Section:
    frame = data(study)
    if frame.empty:
        return empty("curves", words, "why_no_values" if len(study.trials) else "why_no_trials", metric=study.metric)
    ends = frame[frame["last"]].sort_values("value", ascending=not study.higher_is_better)
    ends = ends.assign(said=[said_state(state, words) for state in ends["state"]])
    columns = {
        words["trial"]: ("trial", "trial"),
        words["state"]: ("said", "text"),
        words["epoch"]: ("epoch", "g"),
        study.metric: ("value", ".4f"),
    }
    return Section(
        name="curves",
        title=words["section_curves"],
        text=[words["text_curves"], *thinned(study, words), *cut_off(study, words)],
        figures=[Figure(chart=draw(frame, study.metric, words, study.limit()), says=words["text_curves"])],
        tables=[table(ends, columns, folded=words["numbers"])],
    )

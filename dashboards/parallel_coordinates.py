"""Every trial as one line across all parameters, coloured by how good it was."""

import altair as alt
import pandas as pd

from dashboards.section import Figure, Section, empty, thinned
from dashboards.study import StudyData, Words, said
from dashboards.theme import FIFTHS, IS_PICKED, IS_SHOWN, IS_WINNER, PICKED, SHOWN, Chart, tip

MOST = 16  # axes that can be told apart
HEIGHT = 340


def data(study: StudyData) -> pd.DataFrame:
    """A row per trial and axis: trial, state, fifth (1 worst to 5 best), axis, share (0 to 1), value as text.

    The last axis is the objective, by rank. A parameter that did not apply has no row, and the line has a gap.
    """
    ranks, drawn = study.ranks(), study.drawn()
    axes = [parameter.name for parameter in study.parameters][: MOST - 1]
    rows = []
    for place, trial in enumerate(study.trials["trial"]):
        if trial not in ranks.index or trial not in drawn:
            continue
        state, rank = study.trials["state"].iloc[place].lower(), float(ranks[trial])
        kind = {"trial": trial, "state": "winner" if trial == study.winner else state, "fifth": fifth(rank)}
        for name in axes:
            share = study.shares[name].iloc[place]
            if pd.notna(share):
                rows.append({**kind, "axis": name, "share": float(share), "said": said(study.params[name].iloc[place])})
        value = study.trials["value"].iloc[place]
        rows.append({**kind, "axis": study.metric, "share": rank, "said": said(value)})
    return pd.DataFrame(rows, columns=["trial", "state", "fifth", "axis", "share", "said"])


def fifth(rank: float) -> int:
    return min(int(rank * 5) + 1, 5)


def ends(study: StudyData) -> pd.DataFrame:
    """What stands at the two ends of each axis: axis, share, said."""
    rows = []
    for parameter in study.parameters[: MOST - 1]:
        values = parameter.values or (said(parameter.low), said(parameter.high))
        rows += [(parameter.name, share, value) for share, value in ((0.0, values[0]), (1.0, values[-1]))]
    scored = [said(float(value)) for value in study.scored["value"]]
    rows += [(study.metric, 0.0, scored[-1]), (study.metric, 1.0, scored[0])] if scored else []
    return pd.DataFrame(rows, columns=["axis", "share", "said"])


def draw(frame: pd.DataFrame, at_ends: pd.DataFrame, words: Words) -> Chart:
    order = [*at_ends["axis"].drop_duplicates()]
    names = alt.Axis(labelAngle=0, labelLimit=110, labelPadding=8, grid=True, orient="top", domain=False, ticks=False)
    x = alt.X("axis:N", sort=order, title=None, axis=names, scale=alt.Scale(type="point", padding=0.4))
    y = alt.Y("share:Q", axis=None, scale=alt.Scale(domain=[-0.08, 1.08]))
    axes = {"x": x, "y": y, "detail": "trial:N", "order": alt.Order("place:Q")}
    colour = alt.Color(
        "fifth:O",
        scale=alt.Scale(domain=[1, 2, 3, 4, 5], range=FIFTHS),
        legend=alt.Legend(title=words["fifths"], symbolType="stroke", symbolStrokeWidth=3),
    )
    tooltip = [
        tip("trial:Q", words["trial"]),
        tip("axis:N", words["parameter"]),
        tip("said:N", words["value"]),
    ]
    placed = frame.assign(place=frame["axis"].map({name: place for place, name in enumerate(order)}))
    base = alt.Chart(placed).transform_filter(IS_SHOWN)
    lines = base.mark_line(strokeWidth=1.2, opacity=0.6).encode(**axes, color=colour)
    best = base.transform_filter(IS_WINNER).mark_line(strokeWidth=3).encode(**axes, color=colour)
    picked = base.transform_filter(IS_PICKED).mark_line(strokeWidth=4, color="var(--picked)").encode(**axes)
    touch = base.mark_point(opacity=0, size=120).encode(**axes, tooltip=tooltip)
    labels = alt.Chart(at_ends).encode(x=x, y=y, text="said:N")
    high = labels.transform_filter("datum.share == 1").mark_text(dy=-10, fontSize=11, color="var(--ink-2)")
    low = labels.transform_filter("datum.share == 0").mark_text(dy=12, fontSize=11, color="var(--ink-2)")
    return (lines + best + picked + touch + high + low).add_params(SHOWN, PICKED).properties(height=HEIGHT)


def section(study: StudyData, words: Words) -> Section:
    if not study.parameters:
        return empty("parallel", words, "why_no_parameters")
    frame = data(study)
    if frame["trial"].nunique() < 2:
        return empty("parallel", words, "why_one_value", count=frame["trial"].nunique())
    chart = draw(frame, ends(study), words)
    return Section(
        name="parallel",
        title=words["section_parallel"],
        text=[words["text_parallel"], *thinned(study, words)],
        figures=[Figure(chart=chart, says=words["text_parallel"], wide=True)],
    )

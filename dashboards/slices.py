"""The objective against each parameter: where good trials lie, and what was never tried."""

import altair as alt
import pandas as pd

from dashboards.section import Figure, Section, cut_off, empty
from dashboards.study import Parameter, StudyData, Words
from dashboards.theme import (
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
)

MOST = 24  # figures: who searches more looks at the important ones first


def data(study: StudyData, parameter: Parameter) -> pd.DataFrame:
    """A row per trial that has the parameter and a value within the figure's limit: trial, state, x, value."""
    frame = study.trials[["trial", "state", "value"]].assign(x=study.params[parameter.name].to_numpy())
    frame = frame[frame["value"].notna() & study.shares[parameter.name].notna().to_numpy()]
    frame = frame[frame["trial"].isin(study.drawn())]
    if (limit := study.limit()) is not None:
        frame = frame[study.sign * (frame["value"] - limit) >= 0]
    frame["state"] = frame["state"].str.lower().mask(frame["trial"] == study.winner, "winner")
    frame["x"] = frame["x"].astype(str) if parameter.scale == "category" else frame["x"].astype(float)
    return frame.reset_index(drop=True)[["trial", "state", "x", "value"]]


def draw(frame: pd.DataFrame, parameter: Parameter, metric: str, words: Words) -> Chart:
    """A point per trial; the winner in front, and the trial that was picked in a ring."""
    base = alt.Chart(frame).transform_filter(IS_SHOWN).transform_calculate(said=state_said(words))
    axes = {"x": axis("x", parameter), "y": alt.Y("value:Q", title=metric, scale=alt.Scale(zero=False))}
    tooltip = [
        tip("trial:Q", words["trial"]),
        tip("said:N", words["state"]),
        tip("x:N" if parameter.scale == "category" else "x:Q", parameter.name),
        tip("value:Q", metric, ".4f"),
    ]
    marks = {**axes, "color": state_colour(), "shape": state_shape(), "tooltip": tooltip}
    points = base.transform_filter(IS_NO_WINNER).mark_point(filled=True, size=40, opacity=0.7).encode(**marks)
    winner = base.transform_filter(IS_WINNER).mark_point(filled=True, size=110, opacity=1).encode(**marks)
    picked = base.transform_filter(IS_PICKED).mark_point(size=200, color="var(--picked)", strokeWidth=3).encode(**axes)
    return (points + winner + picked).add_params(SHOWN, PICKED).properties(height=180)


def axis(field: str, parameter: Parameter, vertical: bool = False) -> alt.X | alt.Y:
    """The parameter's own scale, from one end of its range to the other."""
    channel = alt.Y if vertical else alt.X
    if parameter.scale == "category":
        return channel(
            f"{field}:N",
            title=parameter.name,
            scale=alt.Scale(domain=[*parameter.values]),
            axis=alt.Axis(labelAngle=0, labelLimit=90),
        )
    scale = alt.Scale(type=parameter.scale, domain=[parameter.low, parameter.high], nice=False)
    return channel(f"{field}:Q", title=parameter.name, scale=scale, axis=alt.Axis(tickCount=5))


def section(study: StudyData, words: Words) -> Section:
    title = words["section_slices"]
    if not study.parameters:
        return empty("slices", words, "why_no_parameters")
    if len(study.scored) < 2:
        return empty("slices", words, "why_one_value", count=len(study.scored))
    frames = [(parameter, data(study, parameter)) for parameter in study.parameters[:MOST]]
    figures = [
        Figure(chart=draw(frame, parameter, study.metric, words), says=f"{title}: {parameter.name}")
        for parameter, frame in frames
        if len(frame)
    ]
    return Section(name="slices", title=title, text=[words["text_slices"], *cut_off(study, words)], figures=figures)

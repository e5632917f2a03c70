"""Two parameters at once, coloured by how good the trials were: whether one's best value depends on the other's."""

from itertools import combinations

import altair as alt
import pandas as pd

from dashboards.parallel_coordinates import fifth
from dashboards.section import Figure, Section, empty
from dashboards.slices import axis
from dashboards.study import Parameter, StudyData, Words
from dashboards.theme import FIFTHS, IS_PICKED, IS_SHOWN, IS_WINNER, PICKED, SHOWN, Chart, tip

OF = 3  # parameters whose pairs are shown


def pairs(study: StudyData, by_importance: list[str]) -> list[tuple[Parameter, Parameter]]:
    """Of the most important parameters."""
    first = [name for name in by_importance][:OF]
    chosen = [parameter for name in first for parameter in study.parameters if parameter.name == name]
    return [*combinations(chosen, 2)]


def data(study: StudyData, pair: tuple[Parameter, Parameter]) -> pd.DataFrame:
    """A row per trial that has both: trial, state, fifth (1 worst to 5 best), x, y, value."""
    ranks = study.ranks()
    one, two = pair
    frame = study.trials[["trial", "state", "value"]].assign(
        x=study.params[one.name].to_numpy(), y=study.params[two.name].to_numpy()
    )
    both = study.shares[[one.name, two.name]].notna().all(axis=1).to_numpy()
    frame = frame[both & frame["trial"].isin(ranks.index) & frame["trial"].isin(study.drawn())]
    frame["state"] = frame["state"].str.lower().mask(frame["trial"] == study.winner, "winner")
    frame["fifth"] = [fifth(ranks[trial]) for trial in frame["trial"]]
    for column, parameter in (("x", one), ("y", two)):
        frame[column] = frame[column].astype(str if parameter.scale == "category" else float)
    return frame.reset_index(drop=True)[["trial", "state", "fifth", "x", "y", "value"]]


def draw(frame: pd.DataFrame, pair: tuple[Parameter, Parameter], metric: str, words: Words) -> Chart:
    base = alt.Chart(frame).transform_filter(IS_SHOWN)
    axes = {"x": axis("x", pair[0]), "y": axis("y", pair[1], vertical=True)}
    colour = alt.Color("fifth:O", scale=alt.Scale(domain=[1, 2, 3, 4, 5], range=FIFTHS), legend=None)
    tooltip = [
        tip("trial:Q", words["trial"]),
        tip("x", pair[0].name),
        tip("y", pair[1].name),
        tip("value:Q", metric, ".4f"),
    ]
    points = base.mark_point(filled=True, size=70, opacity=0.9).encode(**axes, color=colour, tooltip=tooltip)
    winner = (
        base.transform_filter(IS_WINNER)
        .mark_point(size=220, shape="diamond", color="var(--winner)", strokeWidth=2)
        .encode(**axes)
    )
    picked = base.transform_filter(IS_PICKED).mark_point(size=200, color="var(--picked)", strokeWidth=3).encode(**axes)
    return (points + winner + picked).add_params(SHOWN, PICKED).properties(height=260)


def section(study: StudyData, by_importance: list[str], words: Words) -> Section:
    title = words["section_interactions"]
    if len(study.parameters) < 2:
        return empty("interactions", words, "why_one_parameter" if study.parameters else "why_no_parameters")
    frames = [(pair, data(study, pair)) for pair in pairs(study, by_importance)]
    figures = [
        Figure(chart=draw(frame, pair, study.metric, words), says=f"{title}: {pair[0].name}, {pair[1].name}")
        for pair, frame in frames
        if len(frame) > 1
    ]
    if not figures:
        return empty("interactions", words, "why_one_value", count=len(study.scored))
    return Section(name="interactions", title=title, text=[words["text_interactions"]], figures=figures)

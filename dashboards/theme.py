"""How every figure looks. Colours are names of the page's style sheet: light, dark and print need no second figure."""

import json
from typing import Any

import altair as alt
import pandas as pd

from dashboards.study import Words

STATES = {
    "winner": "var(--winner)",
    "complete": "var(--complete)",
    "pruned": "var(--pruned)",
    "diverged": "var(--diverged)",
    "failed": "var(--failed)",
    "running": "var(--running)",
    "paused": "var(--waiting)",
    "waiting": "var(--waiting)",
}
SHAPES = {
    "winner": "diamond",
    "complete": "circle",
    "pruned": "cross",
    "diverged": "triangle-up",
    "failed": "triangle-down",
    "running": "square",
    "paused": "square",
    "waiting": "square",
}
FIFTHS = [f"var(--fifth-{number})" for number in range(1, 6)]  # from the worst fifth of the trials to the best

CONFIG: dict[str, Any] = {
    "aria": False,  # the page describes each figure, and has its numbers as a table
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--ink-2)",
        "titleColor": "var(--ink-2)",
        "titleFontWeight": "normal",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "gridColor": "var(--grid)",
    },
    "axisX": {"grid": False, "tickCount": 8},
    "axisY": {"tickCount": 5, "domain": False, "ticks": False, "labelPadding": 6},
    "legend": {
        "labelColor": "var(--ink-2)",
        "titleColor": "var(--ink-2)",
        "titleFontWeight": "normal",
        "labelFontSize": 12,
        "orient": "top",
    },
    "text": {"color": "var(--ink)", "fontSize": 12},
    "rule": {"color": "var(--ink-2)"},
}

# The page sets these in every figure that has trials: which states are shown, and the trial that a person picked.
SHOWN = alt.param(name="shown", value=None)
PICKED = alt.param(name="picked", value=-1)
IS_SHOWN = "shown == null || indexof(shown, datum.state) >= 0"
IS_PICKED = "datum.trial == picked"
IS_WINNER = "datum.state == 'winner'"
IS_NO_WINNER = "datum.state != 'winner'"

HEIGHT = 320
BAR = 28  # of a horizontal bar and the space around it
Chart = alt.Chart | alt.LayerChart


def state_colour(title: str | None = None) -> alt.Color:
    return alt.Color("state:N", title=title, scale=alt.Scale(domain=[*STATES], range=[*STATES.values()]), legend=None)


def state_shape() -> alt.Shape:
    return alt.Shape("state:N", scale=alt.Scale(domain=[*SHAPES], range=[*SHAPES.values()]), legend=None)


def value_axis(metric: str, values: "pd.Series[float]", limit: float | None) -> alt.Y:
    """Of the objective; what is worse than the limit lies outside, and is clipped."""
    if limit is None:
        return alt.Y("value:Q", title=metric, scale=alt.Scale(zero=False))
    best = values.max() if (values >= limit).mean() > 0.5 else values.min()
    return alt.Y("value:Q", title=metric, scale=alt.Scale(zero=False, domain=sorted((limit, best)), nice=True))


def tip(field: str, title: str, form: str | None = None) -> alt.Tooltip:
    """A line of what hovering shows."""
    return alt.Tooltip(field, title=title, format=form) if form else alt.Tooltip(field, title=title)


def state_said(words: Words) -> str:
    """The state in the page's language, as an expression of Vega."""
    said = {state: words[f"state_{state}"] for state in STATES}
    return f"{json.dumps(said, ensure_ascii=False)}[datum.state] || datum.state"


def spec(chart: Chart, validate: bool = False) -> dict[str, Any]:
    """The chart as Vega-Lite, as wide as its place on the page; its data stands under `datasets`.

    Checking it against Vega-Lite's schema takes as long as all the rest: the tests do.
    """
    return dict(chart.properties(width="container").configure(**CONFIG).to_dict(validate=validate))

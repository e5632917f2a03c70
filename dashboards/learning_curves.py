"""The objective of every trial over the epochs, and where each was stopped."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

COLOURS = {"COMPLETE": "#1f77b4", "PRUNED": "#9aa5b1", "DIVERGED": "#d62728", "FAILED": "#d62728"}
WINNER = "#e8590c"


@dataclass(frozen=True)
class Curve:
    trial: int
    state: str
    epochs: list[float]
    values: list[float]
    wins: bool

    @property
    def end(self) -> tuple[float, float]:
        return self.epochs[-1], self.values[-1]


def data(frame: pd.DataFrame, winner: int | None) -> list[Curve]:
    """One curve per trial; `frame` has a row per report with the columns trial, state, epoch and value."""
    return [
        Curve(
            trial=int(str(trial)),
            state=str(rows["state"].iloc[0]),
            epochs=rows["epoch"].tolist(),
            values=rows["value"].tolist(),
            wins=trial == winner,
        )
        for trial, rows in frame.sort_values("epoch").groupby("trial")
    ]


def draw(curves: list[Curve], metric: str, title: str) -> Any:
    """A plotly figure: the winner in front, stopped trials in grey, hovering names the trial."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for curve in sorted(curves, key=lambda curve: curve.wins):
        said = f"trial {curve.trial:03d} ({curve.state.lower()})"
        colour = WINNER if curve.wins else COLOURS.get(curve.state, "#9aa5b1")
        figure.add_trace(
            go.Scatter(
                x=curve.epochs,
                y=curve.values,
                mode="lines+markers",
                name=f"trial {curve.trial:03d}",
                line={"color": colour, "width": 3 if curve.wins else 1.5},
                marker={"size": 5},
                hovertemplate=f"{said}<br>epoch %{{x}}: %{{y:.4f}}<extra></extra>",
                showlegend=False,
            )
        )
        if curve.wins:
            x, y = curve.end
            figure.add_annotation(x=x, y=y, text=f"trial {curve.trial:03d}", ax=30, ay=-20)
    figure.update_layout(title=title, xaxis_title="epoch", yaxis_title=metric, template="plotly_white", height=480)
    return figure


def page(curves: list[Curve], metric: str, title: str) -> str:
    """One HTML file that needs no network: plotly's script is inside."""
    return str(draw(curves, metric, title).to_html(full_html=True, include_plotlyjs=True))

"""The objective of every trial over the epochs, and where each was stopped."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

GREY = "#9aa5b1"
COLOURS = {"winner": "#e8590c", "complete": "#1f77b4", "pruned": GREY, "diverged": "#d62728", "failed": "#d62728"}


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

    figure, named = go.Figure(), set()
    for curve in sorted(curves, key=lambda curve: curve.wins):
        kind = "winner" if curve.wins else curve.state.lower()
        said = f"trial {curve.trial:03d} ({curve.state.lower()})"
        figure.add_trace(
            go.Scatter(
                x=curve.epochs,
                y=curve.values,
                mode="lines+markers",
                name=kind,
                legendgroup=kind,
                showlegend=kind not in named,
                line={"color": COLOURS.get(kind, GREY), "width": 3 if curve.wins else 1.5},
                marker={"size": 5},
                hovertemplate=f"{said}<br>epoch %{{x}}: %{{y:.4f}}<extra></extra>",
            )
        )
        named.add(kind)
        if curve.wins:
            x, y = curve.end
            figure.add_annotation(x=x, y=y, text=f"trial {curve.trial:03d}", ax=30, ay=-20)
    figure.update_layout(title=title, xaxis_title="epoch", yaxis_title=metric, template="plotly_white", height=480)
    figure.update_xaxes(tick0=0, dtick=1 if max(curve.end[0] for curve in curves) <= 20 else None)
    return figure


def page(curves: list[Curve], metric: str, title: str) -> str:
    """One HTML file that needs no network: plotly's script is inside."""
    return str(draw(curves, metric, title).to_html(full_html=True, include_plotlyjs=True))

"""The best value found against the seconds of training that had been paid for it."""

import altair as alt
import pandas as pd

from dashboards.costs import unit
from dashboards.section import Figure, Section, empty, table
from dashboards.study import StudyData, Words
from dashboards.theme import Chart, tip


def data(study: StudyData) -> pd.DataFrame:
    """A row per improvement, and one for the end: trial, cost (seconds of all workers together), best."""
    frame = study.reports.sort_values("time", kind="stable", ignore_index=True)
    frame["cost"] = frame["seconds"].cumsum()
    ended_well = frame["trial"].isin(study.trials.loc[~study.trials["state"].isin(["DIVERGED", "FAILED"]), "trial"])
    worth = (study.sign * frame["value"]).where(ended_well).fillna(-float("inf")).cummax()
    steps = frame.assign(best=study.sign * worth)[worth > -float("inf")]
    improved = steps["best"].diff().fillna(1) != 0
    if len(steps):
        improved.iloc[-1] = True
    return steps.loc[improved, ["trial", "cost", "best"]].reset_index(drop=True)


def draw(frame: pd.DataFrame, metric: str, of_training: str, words: Words) -> Chart:
    """`time` is the cost in the unit of the axis."""
    axes = {
        "x": alt.X("time:Q", title=of_training),
        "y": alt.Y("best:Q", title=f"{words['best_so_far']}: {metric}", scale=alt.Scale(zero=False)),
    }
    tooltip = [tip("trial:Q", words["trial"]), tip("time:Q", of_training, ",.1f"), tip("best:Q", metric, ".4f")]
    base = alt.Chart(frame)
    steps = base.mark_line(interpolate="step-after", color="var(--winner)", strokeWidth=2).encode(**axes)
    points = base.mark_point(filled=True, size=50, color="var(--winner)").encode(**axes, tooltip=tooltip)
    return (steps + points).properties(height=220)


def section(study: StudyData, words: Words) -> Section:
    frame = data(study)
    if frame.empty:
        return empty("progress", words, "why_no_values", metric=study.metric)
    size, name = unit(frame["cost"].max())
    frame = frame.assign(time=frame["cost"] / size)
    of_training = words["of_training"].format(unit=words[name])
    columns = {words["trial"]: ("trial", "trial"), words[name]: ("time", ",.1f"), study.metric: ("best", ".4f")}
    return Section(
        name="progress",
        title=words["section_progress"],
        text=[words["text_progress"]],
        figures=[Figure(chart=draw(frame, study.metric, of_training, words), says=words["text_progress"])],
        tables=[table(frame, columns, folded=words["numbers"])],
    )

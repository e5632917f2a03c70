"""Whether the winner's probabilities mean what they say: of answers given with 80 %, 80 % should be right."""

import altair as alt
import numpy as np
import pandas as pd

from dashboards.section import Figure, Section, has_several_labels, of_folds, table
from dashboards.study import StudyData, Words
from dashboards.theme import Chart, tip

COLUMNS = ["rows", "confidence", "accuracy"]


def data(study: StudyData) -> pd.DataFrame:
    """A row per bin of confidence that has rows: rows, mean confidence, accuracy; empty where none were kept."""
    frame = pd.DataFrame([*study.evaluation.get("calibration", ())], columns=COLUMNS)
    return frame[frame["rows"] > 0].reset_index(drop=True)


def error(frame: pd.DataFrame) -> float:
    """Expected calibration error of the answers that are drawn: of all folds together, where there are such."""
    return float(np.average((frame["confidence"] - frame["accuracy"]).abs(), weights=frame["rows"]))


def draw(frame: pd.DataFrame, words: Words) -> Chart:
    """On the diagonal they are right; below it they are too sure."""
    diagonal = pd.DataFrame({"confidence": [0.0, 1.0], "accuracy": [0.0, 1.0]})
    axes = {
        "x": alt.X(
            "confidence:Q", title=words["confidence"], axis=alt.Axis(format=".0%"), scale=alt.Scale(domain=[0, 1])
        ),
        "y": alt.Y("accuracy:Q", title=words["right"], axis=alt.Axis(format=".0%"), scale=alt.Scale(domain=[0, 1])),
    }
    even = alt.Chart(diagonal).mark_line(strokeDash=[4, 4], color="var(--ink-2)").encode(**axes)
    bins = alt.Chart(frame).mark_line(color="var(--complete)", strokeWidth=2).encode(**axes)
    points = (
        alt.Chart(frame)
        .mark_circle(color="var(--complete)", opacity=0.9)
        .encode(
            **axes,
            size=alt.Size("rows:Q", title=words["answers"], scale=alt.Scale(range=[30, 400])),
            tooltip=[
                tip("confidence:Q", words["confidence"], ".1%"),
                tip("accuracy:Q", words["right"], ".1%"),
                tip("rows:Q", words["answers"]),
            ],
        )
    )
    return (even + bins + points).properties(height=260)


def section(study: StudyData, words: Words) -> Section:
    frame = data(study)
    ece = study.evaluation.get("metrics", {}).get("ece") if frame.empty else error(frame)
    text = [] if ece is None else [words["text_ece"].format(ece=float(ece))]
    title = words["section_calibration"]
    if frame.empty:
        text.append(words["nothing_yet"].format(why=words["why_no_calibration"]))
        return Section(name="calibration", title=title, text=text)
    columns = {
        words["confidence"]: ("confidence", ".1%"),
        words["right"]: ("accuracy", ".1%"),
        words["answers"]: ("rows", ",d"),
    }
    several = [words["text_several"]] if has_several_labels(study) else []
    return Section(
        name="calibration",
        title=title,
        text=[*text, words["text_calibration"], *several, *of_folds(study, words)],
        figures=[Figure(chart=draw(frame, words), says=words["text_calibration"])],
        tables=[table(frame, columns, folded=words["numbers"])],
    )

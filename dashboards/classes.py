"""What the winner gets right and wrong, class by class, on validation."""

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from dashboards.section import Figure, Section, Table, empty, has_several_labels, of_folds, table
from dashboards.study import StudyData, Words
from dashboards.theme import Chart, tip

MOST_CELLS = 25  # classes whose confusion can be read as a picture
ROOMY, NARROW = 34, 18  # pixels of a row of the picture
MOST_COUNTED = 12  # classes whose cells have room for a number
MOST_MIXED = 15  # pairs that are told


def data(study: StudyData) -> pd.DataFrame:
    """A row per class, the worst first: label, precision, recall, f1, rows, trained_on (rows of it in train; nan).

    Folds are trained on different rows: they have no such number.
    """
    found: dict[str, Any] = study.evaluation.get("classes", {})
    frame = pd.DataFrame.from_dict(found, orient="index", columns=["precision", "recall", "f1", "rows"])
    trained = {} if study.evaluation.get("folds") else study.data.get("classes", {}).get("train", {})
    frame.insert(0, "label", frame.index.astype(str))
    frame["trained_on"] = [trained.get(label, np.nan) for label in frame["label"]]
    return frame.sort_values(["f1", "label"], ignore_index=True)


def confusion(study: StudyData) -> pd.DataFrame:
    """A row per pair that occurs, the most frequent mistake first: truth, said, rows, share (of the true class)."""
    matrix = np.array(study.evaluation.get("confusion") or np.zeros((0, 0), int))
    labels = [*study.evaluation.get("classes", {})] or [str(number) for number in range(len(matrix))]
    truth, said = matrix.nonzero()
    frame = pd.DataFrame(
        {
            "truth": [labels[row] for row in truth],
            "said": [labels[column] for column in said],
            "rows": matrix[truth, said],
            "share": matrix[truth, said] / np.maximum(matrix.sum(axis=1), 1)[truth] if len(truth) else [],
        }
    )
    wrong_first = (frame["truth"] == frame["said"]).rename("right")
    order = pd.concat([wrong_first, -frame["rows"]], axis=1).sort_values(["right", "rows"], kind="stable").index
    return frame.loc[order].reset_index(drop=True)


def draw(frame: pd.DataFrame, words: Words) -> Chart:
    """Of the classes with the most mistakes, where there are too many for all."""
    wrong = frame[frame["truth"] != frame["said"]]
    mistakes = pd.concat([wrong.groupby("truth")["rows"].sum(), wrong.groupby("said")["rows"].sum()], axis=1).sum(
        axis=1
    )
    labels = sorted({*frame["truth"]} | {*frame["said"]}, key=lambda label: (-mistakes.get(label, 0), label))[
        :MOST_CELLS
    ]
    seen = frame[frame["truth"].isin(labels) & frame["said"].isin(labels)]
    order = sorted(labels)
    axis = alt.Axis(labelAngle=-45, labelLimit=140)
    base = alt.Chart(seen).encode(
        x=alt.X("said:N", sort=order, title=words["said"], axis=axis, scale=alt.Scale(domain=order)),
        y=alt.Y(
            "truth:N", sort=order, title=words["truth"], axis=alt.Axis(labelLimit=160), scale=alt.Scale(domain=order)
        ),
    )
    opacity = alt.Opacity("share:Q", legend=None, scale=alt.Scale(domain=[0, 1], range=[0.08, 0.75]))
    tooltip = [
        tip("truth:N", words["truth"]),
        tip("said:N", words["said"]),
        tip("rows:Q", words["rows"]),
        tip("share:Q", words["share"], ".0%"),
    ]
    right = base.transform_filter("datum.truth == datum.said")
    mixed = base.transform_filter("datum.truth != datum.said")
    cells = right.mark_rect(color="var(--complete)").encode(opacity=opacity, tooltip=tooltip) + mixed.mark_rect(
        color="var(--diverged)"
    ).encode(opacity=opacity, tooltip=tooltip)
    if len(order) <= MOST_COUNTED:
        cells += base.mark_text(fontSize=11).encode(text="rows:Q", tooltip=tooltip)
    return cells.properties(height=len(order) * (ROOMY if len(order) <= MOST_COUNTED else NARROW))


def section(study: StudyData, words: Words) -> Section:
    frame, mixed = data(study), confusion(study)
    if frame.empty:
        return empty("classes", words, "why_no_classes")
    text = words["text_labels" if has_several_labels(study) else "text_classes"]
    texts, figures = [text.format(rows=int(frame["rows"].sum())), *of_folds(study, words)], []
    if len(mixed) and len(frame) > 1:
        texts.append(words["text_confusion"])
        if len(frame) > MOST_CELLS:
            texts.append(words["text_confusion_part"].format(shown=MOST_CELLS, all=len(frame)))
        figures = [Figure(chart=draw(mixed, words), says=words["text_confusion"], wide=len(frame) > MOST_COUNTED)]
    return Section(
        name="classes",
        title=words["section_classes"],
        text=texts,
        figures=figures,
        tables=[one for one in (by_class(frame, words), mistakes(mixed, words), wrong_rows(study, words)) if one.rows],
    )


def by_class(frame: pd.DataFrame, words: Words) -> Table:
    forms = {"label": "text", "precision": ".3f", "recall": ".3f", "f1": ".3f", "rows": ",.0f"}
    if frame["trained_on"].notna().any():
        forms["trained_on"] = ",.0f"
    return table(frame, {words[name]: (name, form) for name, form in forms.items()})


def mistakes(mixed: pd.DataFrame, words: Words) -> Table:
    wrong = mixed[mixed["truth"] != mixed["said"]][:MOST_MIXED]
    forms = {"truth": "text", "said": "text", "rows": ",d", "share": ".0%"}
    return table(wrong, {words[name]: (name, form) for name, form in forms.items()}, note=words["most_mixed"])


def wrong_rows(study: StudyData, words: Words) -> Table:
    """What the checkpoint keeps of the rows themselves: text, truth, said and the confidence that it was said with."""
    rows = [*study.evaluation.get("wrong", ())]
    if has_several_labels(study):  # in the page's language
        rows = [{**row, **{name: said_of(row, name, words) for name in ("truth", "said")}} for row in rows]
    frame = pd.DataFrame(rows, columns=["text", "truth", "said", "confidence"])
    forms = {"text": "text", "truth": "text", "said": "text", "confidence": ".0%"}
    return table(frame, {words[name]: (name, form) for name, form in forms.items()}, note=words["wrong_examples"])


def said_of(row: dict[str, Any], name: str, words: Words) -> str:
    """Of one label of a row that may have several."""
    return row[name] if row[name] == row.get("label") else words["not_label"].format(label=row.get("label"))

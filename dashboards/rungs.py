"""How many trials each rung stopped, and whether what it saw foretold the end."""

import altair as alt
import pandas as pd

from dashboards.section import Figure, Section, empty, table
from dashboards.study import StudyData, Words
from dashboards.theme import BAR, Chart, tip

FEWEST = 5  # finished trials that a rank correlation is told from
COLOURS = {"went_on": "var(--complete)", "paused": "var(--waiting)", "stopped": "var(--pruned)"}
COLUMNS = ["rung", "judged", "stopped", "paused", "went_on", "finished", "correlation"]


def data(study: StudyData) -> pd.DataFrame:
    """A row per rung: rung, judged, stopped, paused, went_on, finished, correlation (nan if few).

    Stopped there is a trial that was pruned and came no higher. The correlation is Spearman's, of the values at the
    rung and at the end of the trials that ran to their end; these are alike already, so it is a low guess.
    """
    state = dict(zip(study.trials["trial"], study.trials["state"], strict=True))
    highest = study.rungs.groupby("trial")["rung"].max()
    values = study.reports[study.reports["value"].notna()]
    at_end = values.drop_duplicates("trial", keep="last").set_index("trial")["value"]
    rows = []
    for rung, judged in study.rungs.groupby("rung"):
        last = [trial for trial in judged["trial"] if highest[trial] == rung]
        stopped, paused = (sum(state[trial] == kind for trial in last) for kind in ("PRUNED", "PAUSED"))
        at_rung = values[values["epoch"] >= rung].drop_duplicates("trial").set_index("trial")["value"]
        ended = [trial for trial in judged["trial"] if state[trial] == "COMPLETE" and trial in at_rung.index]
        both = pd.DataFrame({"rung": at_rung.reindex(ended), "end": at_end.reindex(ended)})
        told = len(both) >= FEWEST and (both.nunique() > 1).all()
        correlation = both["rung"].corr(both["end"], method="spearman") if told else float("nan")
        went_on = len(judged) - stopped - paused
        rows.append((rung, len(judged), stopped, paused, went_on, len(ended), correlation))
    return pd.DataFrame(rows, columns=COLUMNS)


def draw(frame: pd.DataFrame, words: Words) -> Chart:
    kinds = {name: words[name] for name in ("went_on", "paused", "stopped") if frame[name].any()}
    long = frame.melt("rung", [*kinds], "kind", "trials")
    long = long.assign(place=long["kind"].map([*kinds].index), kind=long["kind"].map(kinds))
    colour = alt.Color(
        "kind:N",
        title=None,
        sort=[*kinds.values()],
        scale=alt.Scale(domain=[*kinds.values()], range=[COLOURS[name] for name in kinds]),
    )
    return (
        alt.Chart(long)
        .mark_bar(height=18)
        .encode(
            y=alt.Y("rung:O", title=words["rung"]),
            x=alt.X("trials:Q", title=words["trials"], axis=alt.Axis(tickMinStep=1)),
            color=colour,
            order=alt.Order("place:Q"),
            tooltip=[
                tip("rung:O", words["rung"]),
                tip("kind:N", words["state"]),
                tip("trials:Q", words["trials"]),
            ],
        )
        .properties(height=BAR * len(frame))
    )


def section(study: StudyData, words: Words) -> Section:
    frame = data(study)
    if frame.empty:
        return empty("rungs", words, "why_no_rungs")
    columns = {words[name]: (name, {"rung": "g", "correlation": ".2f"}.get(name, "d")) for name in COLUMNS}
    return Section(
        name="rungs",
        title=words["section_rungs"],
        text=[words["text_rungs"]],
        figures=[Figure(chart=draw(frame, words), says=words["text_rungs"])],
        tables=[table(frame, columns, without=words["too_few"])],
    )

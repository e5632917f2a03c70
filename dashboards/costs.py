"""Where the time went: by how the trials ended, and what early stopping saved."""

from dataclasses import dataclass

import altair as alt
import pandas as pd

from dashboards.section import Figure, Section, empty, said_state, table
from dashboards.study import StudyData, Words
from dashboards.theme import BAR, STATES, Chart, tip


@dataclass(frozen=True, kw_only=True)
class Costs:
    """All in seconds of training and evaluation, added up over workers; `wall` by the clock."""

    by_state: pd.DataFrame  # state (of the winner: winner), trials, seconds
    total: float
    stopped: float  # spent on trials that were stopped
    saved: float | None  # what these would have cost to their full budget, at their own pace; None if nobody knows it
    budget: float | None  # epochs of a trial that ran to its end
    wall: float


def unit(seconds: float) -> tuple[int, str]:
    """How many seconds the unit has that a sum of time is told in, and its name in the words."""
    return (3600, "hours") if seconds >= 7200 else (60, "minutes") if seconds >= 120 else (1, "seconds")


def data(study: StudyData) -> Costs:
    trials = study.trials
    states = trials["state"].str.lower().mask(trials["trial"] == study.winner, "winner")
    by_state = trials.assign(state=states).groupby("state").agg(trials=("trial", "size"), seconds=("seconds", "sum"))
    order = [*(state for state in STATES if state in by_state.index), *sorted({*by_state.index} - {*STATES})]
    complete = trials.loc[trials["state"] == "COMPLETE", "epochs"]
    budget = float(complete.max()) if len(complete) else None
    stopped = trials[(trials["state"] == "PRUNED") & (trials["epochs"] > 0)]
    saved = None
    if budget is not None:
        saved = float(((budget - stopped["epochs"]).clip(lower=0) * stopped["seconds"] / stopped["epochs"]).sum())
    times = pd.concat([trials["asked"], trials["ended"], study.reports["time"]]).dropna()
    return Costs(
        by_state=by_state.loc[order].reset_index(),
        total=float(trials["seconds"].sum()),
        stopped=float(stopped["seconds"].sum()),
        saved=saved,
        budget=budget,
        wall=float(times.max() - times.min()) if len(times) else 0.0,
    )


def draw(frame: pd.DataFrame, of_training: str, words: Words) -> Chart:
    """A bar per row of `by_state`, which `said` names in the page's language; `time` is in the unit of the axis."""
    colour = alt.Color("state:N", scale=alt.Scale(domain=[*STATES], range=[*STATES.values()]), legend=None)
    y = alt.Y("said:N", sort=[*frame["said"]], title=None)
    x = alt.X("time:Q", title=of_training)
    tooltip = [
        tip("said:N", words["state"]),
        tip("trials:Q", words["trials"]),
        tip("time:Q", of_training, ",.1f"),
    ]
    bars = alt.Chart(frame).mark_bar(height=18)
    return bars.encode(y=y, x=x, color=colour, tooltip=tooltip).properties(height=BAR * len(frame))


def section(study: StudyData, words: Words) -> Section:
    if study.reports.empty:
        return empty("costs", words, "why_no_values", metric=study.metric)
    spent = data(study)
    size, name = unit(spent.total)
    share = spent.stopped / spent.total if spent.total else 0.0
    times = {"total": spent.total / size, "wall": spent.wall / size, "stopped": spent.stopped / size}
    text = [words["text_costs"].format(**times, unit=words[name], share=share)]
    if spent.saved is None:
        text.append(words["text_saved_unknown"])
    elif spent.stopped:
        saved = {"budget": f"{spent.budget:g}", "saved": spent.saved / size, "unit": words[name]}
        text.append(words["text_saved"].format(**saved))
    frame = spent.by_state.assign(
        said=[said_state(state, words) for state in spent.by_state["state"]], time=spent.by_state["seconds"] / size
    )
    columns = {
        words["state"]: ("said", "text"),
        words["trials"]: ("trials", "d"),
        words[name]: ("time", ",.1f"),
    }
    of_training = words["of_training"].format(unit=words[name])
    return Section(
        name="costs",
        title=words["section_costs"],
        text=text,
        figures=[Figure(chart=draw(frame, of_training, words), says=text[0])],
        tables=[table(frame, columns, folded=words["numbers"])],
    )

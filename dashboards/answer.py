"""What is best, and how sure that is."""

from dataclasses import dataclass
from typing import Any

from dashboards import interval, repeats
from dashboards.interval import Interval
from dashboards.study import StudyData, records


@dataclass(frozen=True, kw_only=True)
class Answer:
    trial: int
    value: float
    epoch: float  # of the best report
    interval: Interval | None  # by the choice of the validation rows
    seeds: int  # runs of the winner's configuration that came to their end, or 1
    noise: float | None  # standard deviation between seeds, where anything was repeated
    alike: int  # other trials inside the interval
    ranked: int  # trials with a value: the winner is the luckiest of so many
    confirmed: dict[str, Any] | None  # the winner's row of `StudyData.finalists`
    test: float | None  # the same metric on the sealed rows, once opened
    test_interval: Interval | None


def data(study: StudyData) -> Answer | None:
    """None where no trial has won yet."""
    row = study.winning
    if row is None:
        return None
    value = float(row["value"])
    found = interval.bootstrap(interval.cells_of(study.evaluation), study.metric)
    again = repeats.data(study)
    if found is None:
        alike = 0
    else:
        edge = found.low if study.higher_is_better else found.high
        inside = study.sign * (study.scored["value"] - edge) >= 0
        alike = int((inside & (study.scored["trial"] != study.winner)).sum())
    at = study.reports[(study.reports["trial"] == study.winner) & (study.reports["step"] == row["best_step"])]
    test = study.test.get("metrics", {}).get(study.metric)
    return Answer(
        trial=int(row["trial"]),
        value=value,
        epoch=float(at["epoch"].iloc[0]) if len(at) else float(row["epochs"]),
        interval=found,
        seeds=int(again.loc[again["of_winner"].astype(bool), "runs"].max()) if again["of_winner"].any() else 1,
        noise=repeats.seed_noise(study),
        alike=alike,
        ranked=len(study.scored),
        confirmed=next(iter(records(study.finalists[study.finalists["chosen"].astype(bool)])), None),
        test=None if test is None else float(test),
        test_interval=interval.bootstrap(interval.cells_of(study.test), study.metric) if test is not None else None,
    )

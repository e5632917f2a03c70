"""The Pareto front of a study with several objectives: who stands on it, how far it has come, and why a trial does not.

Its hypervolume is told as a share of the box between the worst and the best value of each objective that any trial of
the study has, made a tenth longer at the bad end, so that the ends of the front count too (Ishibuchi et al. 2018, on
reference points). So it lies between 0 and 1 and needs no setting, but is no measure between two studies.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hpo.history import REGULAR, History, Trial
from hpo.objective import Objective
from hpo.pareto import Point, dominates, hypervolume
from hpo.wording import count

MARGIN = 0.1  # of the box, beyond the worst values


@dataclass(frozen=True)
class Progress:
    """After a trial that changed the front."""

    trial: int
    ended: int  # trials that had ended by then
    hypervolume: float
    trials: int  # on the front


def share(points: Sequence[Point], within: Sequence[Point]) -> float:
    """The hypervolume of `points` as a share of the box around `within`, which holds them; 0 of none."""
    if not points:
        return 0.0
    ends = [(min(values), max(values)) for values in zip(*within, strict=True)]
    placed = [
        tuple(
            (value - low) / (high - low) if high > low else 1.0 for value, (low, high) in zip(point, ends, strict=True)
        )
        for point in points
    ]
    return hypervolume(placed, (-MARGIN,) * len(ends)) / (1 + MARGIN) ** len(ends)


def hypervolume_of(history: History, objectives: Sequence[Objective]) -> float:
    points = [worth for _, worth in counted(history, objectives)]
    return share([trial.worth(objectives) or () for trial in history.front(objectives)], points)


def progress(history: History, objectives: Sequence[Objective]) -> list[Progress]:
    """From the first trial on, all in the box that is known now; a step for each trial that changed the front."""
    found: list[Progress] = []
    front: list[Point] = []
    points = [worth for _, worth in counted(history, objectives)]
    for ended, trial in enumerate(history.ended, start=1):
        worth = trial.worth(objectives) if trial.state in REGULAR else None
        if worth is not None and not any(dominates(one, worth) for one in front):
            front = [one for one in front if not dominates(worth, one)] + [worth]
            found.append(Progress(trial.number, ended, share(front, points), len(front)))
    return found


def counted(history: History, objectives: Sequence[Objective]) -> list[tuple[Trial, Point]]:
    """Trials that came to a regular end, in the order in which they did."""
    worths = [(trial, trial.worth(objectives)) for trial in history.ended if trial.state in REGULAR]
    return [(trial, worth) for trial, worth in worths if worth is not None]


def standing(history: History, objectives: Sequence[Objective], number: int) -> str:
    """In words, whether a trial is on the front, or which of it is better; empty while it has no end."""
    trial, front = history.trials[number], history.front(objectives)
    worth = trial.worth(objectives)
    if trial.state not in REGULAR or worth is None:
        return ""
    if trial in front:
        return f"on the Pareto front, with {count(len(front) - 1, 'other')}: {said(trial, objectives)}"
    better = [one for one in front if dominates(one.worth(objectives) or (), worth)]
    first = f"trial {better[0].number:03d} has {said(better[0], objectives)}"
    return f"not on the Pareto front: {said(trial, objectives)}, and {first}, nowhere worse ({len(better)} such trials)"


def said(trial: Trial, objectives: Sequence[Objective]) -> str:
    """`f1 0.9123, latency_ms 12.3`."""
    values = trial.values(objectives) or ()
    return ", ".join(f"{one.metric} {value:.4g}" for one, value in zip(objectives, values, strict=True))

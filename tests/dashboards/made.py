"""A study that was never run, with the numbers that a test wants: frames as a page takes them."""

from typing import Any

import numpy as np
import pandas as pd

from dashboards.study import Parameter, StudyData

LEARNING_RATE = Parameter(name="learning_rate", scale="log", low=1e-5, high=1e-2)
DROPOUT = Parameter(name="dropout", scale="linear", low=0.0, high=0.5)
OPTIMIZER = Parameter(name="optimizer", scale="category", values=("adamw", "sgd", "lion"))


def value_of(parameter: Parameter, share: float) -> Any:
    if parameter.scale == "category":
        return parameter.values[min(int(share * len(parameter.values)), len(parameter.values) - 1)]
    if parameter.scale == "log":
        return float(parameter.low * (parameter.high / parameter.low) ** share)
    return float(parameter.low + share * (parameter.high - parameter.low))


def study(
    shares: dict[Parameter, list[float]],
    curves: list[list[float]],
    states: list[str] | None = None,
    *,
    higher_is_better: bool = True,
    seconds: float = 60.0,
    **others: Any,
) -> StudyData:
    """A trial per curve, each a value per epoch; nan shares are parameters that do not apply."""
    count = len(curves)
    states = states or ["COMPLETE"] * count
    better = max if higher_is_better else min
    finite = [[value for value in curve if np.isfinite(value)] for curve in curves]
    values = [better(curve) if curve else np.nan for curve in finite]
    trials = pd.DataFrame(
        {
            "trial": range(count),
            "state": pd.Series(states, dtype=str),
            "value": pd.Series(values, dtype=float),
            "best_step": [
                curve.index(best) + 1 if np.isfinite(best) else None for curve, best in zip(curves, values, strict=True)
            ],
            "epochs": [float(len(curve)) for curve in curves],
            "seconds": [seconds * len(curve) for curve in curves],
            "attempts": 1,
            "reason": ["" if state in ("COMPLETE", "RUNNING") else f"why {state.lower()}" for state in states],
            "asked": [float(trial) for trial in range(count)],
            "ended": [
                np.nan if state in ("RUNNING", "WAITING") else 1000.0 + trial for trial, state in enumerate(states)
            ],
        }
    )
    candidates = [t for t in range(count) if states[t] in ("COMPLETE", "PRUNED") and finite[t]]
    reports = [
        (trial, states[trial], epoch, float(epoch), value, seconds, 10.0 * trial + epoch)
        for trial, curve in enumerate(curves)
        for epoch, value in enumerate(curve, start=1)
    ]
    rungs = pd.DataFrame([], columns=["trial", "rung"])
    data = StudyData(
        name="made",
        state="finished",
        reason=f"all {count} trials ended",
        planned=count,
        metric="f1",
        higher_is_better=higher_is_better,
        winner=better(candidates, key=lambda t: (values[t], -t if higher_is_better else t)) if candidates else None,
        parameters=tuple(shares),
        trials=trials,
        params=pd.DataFrame(
            {
                one.name: pd.Series([None if np.isnan(s) else value_of(one, s) for s in of], dtype=object)
                for one, of in shares.items()
            },
            index=trials.index,
        ),
        shares=pd.DataFrame({one.name: of for one, of in shares.items()}, index=trials.index, dtype=float),
        reports=pd.DataFrame(reports, columns=["trial", "state", "step", "epoch", "value", "seconds", "time"]),
        rungs=rungs,
    )
    return StudyData(**{**vars(data), **others})


def searched(count: int, seed: int = 0, epochs: int = 3) -> StudyData:
    """`learning_rate` decides, `dropout` a little, `optimizer` nothing; every third trial stopped after one epoch."""
    random = np.random.default_rng(seed)
    shares = random.random((3, count))
    end = 0.9 - (shares[0] - 0.6) ** 2 - 0.05 * shares[1] + random.normal(0, 0.005, count)
    states = ["PRUNED" if trial % 3 == 2 else "COMPLETE" for trial in range(count)]
    curves = [
        [float(end[trial] - 0.3 * 0.5**epoch) for epoch in range(1, (1 if states[trial] == "PRUNED" else epochs) + 1)]
        for trial in range(count)
    ]
    of = {LEARNING_RATE: [*shares[0]], DROPOUT: [*shares[1]], OPTIMIZER: [*shares[2]]}
    frame = pd.DataFrame([(trial, 1) for trial in range(count)], columns=["trial", "rung"])
    return study(of, curves, states, rungs=frame)

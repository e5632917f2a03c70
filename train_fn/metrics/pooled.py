"""What several models tell together, each asked about rows of its own, as the folds of cross-validation are.

From what each of them tells: its answers themselves would be as many as all rows.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy
from numpy.typing import NDArray

from train_fn.metrics.answers import BINS, MOST_TOLD, MOST_WRONG, as_bins, bin_of, spread

Rows = Sequence[NDArray[numpy.int64]]


def pooled(told: Sequence[Mapping[str, Any]], rows: Rows) -> dict[str, Any]:
    """The same tables as one model has. `rows`: of each model the numbers, among all, of the rows that it was asked."""
    found = {
        name: rule([one[name] for one in told], rows)
        for name, rule in RULES.items()
        if all(name in one for one in told)
    }
    return {**found, "folds": [of_fold(one, len(its)) for one, its in zip(told, rows, strict=True)]} if found else {}


def of_fold(told: Mapping[str, Any], rows: int) -> dict[str, Any]:
    """How many rows, and of the confusion what is not 0: true class, predicted class, rows."""
    if "confusion" not in told:
        return {"rows": rows}
    matrix = numpy.array(told["confusion"])
    return {"rows": rows, "confusion": numpy.stack([*matrix.nonzero(), matrix[matrix.nonzero()]], axis=1).tolist()}


def classes(tables: Sequence[Mapping[str, Mapping[str, float]]], _: Rows) -> dict[str, dict[str, float]]:
    return {label: of_class([table[label] for table in tables]) for label in tables[0]}


def of_class(scores: Sequence[Mapping[str, float]]) -> dict[str, float]:
    rows, said = (sum(int(one[name]) for one in scores) for name in ("rows", "said"))
    hits = sum(round(one["recall"] * one["rows"]) for one in scores)
    return {
        "precision": hits / said if said else 0.0,
        "recall": hits / rows if rows else 0.0,
        "f1": 2 * hits / (rows + said) if rows + said else 0.0,
        "rows": rows,
        "said": said,
    }


def confusion(matrices: Sequence[list[list[int]]], _: Rows) -> list[list[int]]:
    total: list[list[int]] = numpy.sum(matrices, axis=0).tolist()
    return total


def calibration(tables: Sequence[list[dict[str, float]]], _: Rows) -> list[dict[str, float]]:
    sums = numpy.zeros((BINS + 1, 3))
    for one in (one for table in tables for one in table):
        sums[bin_of(one["confidence"])] += one["rows"] * numpy.array([1, one["confidence"], one["accuracy"]])
    return as_bins(sums)


def wrong(tables: Sequence[list[dict[str, Any]]], rows: Rows) -> list[dict[str, Any]]:
    """The surest; of equal ones the earlier row."""
    found = [{**one, "row": int(its[one["row"]])} for table, its in zip(tables, rows, strict=True) for one in table]
    return sorted(found, key=lambda one: (-one["confidence"], one["row"]))[:MOST_WRONG]


def predictions(tables: Sequence[Mapping[str, list[Any]]], rows: Rows) -> dict[str, list[Any]]:
    """In the order of the rows."""
    numbers = numpy.concatenate([its[table["row"]] for table, its in zip(tables, rows, strict=True)])
    chosen = numpy.argsort(numbers)[spread(len(numbers), MOST_TOLD)]
    found = {name: [value for table in tables for value in table[name]] for name in tables[0]} | {
        "row": numbers.tolist()
    }
    return {name: [values[place] for place in chosen] for name, values in found.items()}


RULES: Mapping[str, Callable[[Sequence[Any], Rows], Any]] = {
    "classes": classes,
    "confusion": confusion,
    "calibration": calibration,
    "wrong": wrong,
    "predictions": predictions,
}

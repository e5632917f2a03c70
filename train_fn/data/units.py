"""Rows that must not be parted: those of one group, of one query, or of texts that are nearly the same."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from train_fn.data.config import DataConfig
from train_fn.errors import DataError


def units(table: pd.DataFrame, config: DataConfig) -> NDArray[np.int64]:
    """The unit of each row, numbered in the order of their first rows.

    A named group rules alone: were groups with a text in common joined, a greeting would make one of all customers.
    """
    kinds = [queries(table)] if config.task == "ranking" else []
    if "group" in table:
        kinds.append(groups(table["group"]))
    elif "cluster" in table:
        kinds.append(table["cluster"].to_numpy())
    if not kinds:
        return np.arange(len(table))
    return renumbered(kinds[0] if len(kinds) == 1 else joined(*kinds))


def count_of(units: NDArray[np.int64]) -> int:
    return int(units.max()) + 1


def queries(table: pd.DataFrame) -> NDArray[np.int64]:
    """The number of each row's query, in the order of their first rows."""
    return renumbered(table["text"])


def groups(column: pd.Series) -> NDArray[np.int64]:
    missing = np.array([not str(cell).strip() for cell in column.fillna("")], dtype=bool)
    if missing.any():
        first = column.index[missing][0] + 1
        raise DataError(
            f"`group` must name a column with a group in every row, got {missing.sum():,} without, the first in data "
            f"row {first:,}; fill these in, or give each a name of its own"
        )
    return renumbered(column)


def renumbered(values: "pd.Series | NDArray[np.int64]") -> NDArray[np.int64]:
    return pd.factorize(values)[0].astype(np.int64)


def joined(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    """Units of rows that are linked by one or the other, directly or by way of other rows."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    one, other = renumbered(one), renumbered(other)
    count = int(one.max()) + 1
    links = (np.ones(len(one)), (one, count + other))
    nodes = count + int(other.max()) + 1
    return connected_components(coo_array(links, shape=(nodes, nodes)), directed=False)[1][one].astype(np.int64)


def draw_units(
    units: NDArray[np.int64],
    strata: NDArray[np.int64],
    order: NDArray[np.int64],
    rows: int,
    labels: pd.Series | None,
    splits_left: int,
) -> NDArray[np.bool_]:
    """Which rows are drawn, in whole units: about `rows` of them, each stratum in the share that `order` gives it.

    Units come up in the order of their first row, and one is taken if that brings the shares nearer: so where each row
    is a unit, the first `rows` of `order` are drawn. A label stays in as many units as there are splits left to make.
    """
    wanted = np.bincount(strata[order[:rows]], minlength=int(strata.max()) + 1)
    first = np.unique(units, return_index=True)[1]
    starts, stratum, count = memberships(units, strata, len(first))
    holders, owned_starts, owned = holding(units, labels, len(first))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))

    def is_spare(labels: list[int]) -> bool:
        return all(holders[label] > splits_left for label in labels)

    drawn, held, missing = set[int](), [0] * len(wanted), wanted.tolist()
    weight = (1 / np.maximum(wanted, 1)).tolist()
    open_strata = sum(number > 0 for number in missing)
    for unit in np.argsort(rank[first]).tolist():
        if not open_strata:
            break
        span = range(starts[unit], starts[unit + 1])
        nearer = sum(weight[stratum[at]] * count[at] * (count[at] - 2 * missing[stratum[at]]) for at in span)
        if nearer > 0 or (nearer == 0 and any(held[stratum[at]] for at in span)):
            continue
        mine = owned[owned_starts[unit] : owned_starts[unit + 1]]
        if not is_spare(mine):
            continue
        drawn.add(unit)
        for label in mine:
            holders[label] -= 1
        for at in span:
            held[stratum[at]] += count[at]
            open_strata -= 0 < missing[stratum[at]] <= count[at]
            missing[stratum[at]] -= count[at]
    if not drawn:  # all are larger than what is wanted
        by_size = np.argsort(np.bincount(units), kind="stable").tolist()
        spare = (unit for unit in by_size if is_spare(owned[owned_starts[unit] : owned_starts[unit + 1]]))
        drawn.add(next(spare, by_size[0]))
    return np.isin(units, list(drawn))


def memberships(
    units: NDArray[np.int64], values: NDArray[np.int64], count: int
) -> tuple[list[int], list[int], list[int]]:
    """Where each of `count` units starts in the lists that follow: its values, and how many of its rows have each."""
    base = int(values.max(initial=0)) + 1
    pairs, rows = np.unique(units * base + values, return_counts=True)
    starts = np.searchsorted(pairs // base, np.arange(count + 1))
    return starts.tolist(), (pairs % base).tolist(), rows.tolist()


def holding(units: NDArray[np.int64], labels: pd.Series | None, count: int) -> tuple[list[int], list[int], list[int]]:
    """In how many units each label is; where each unit starts in the list that follows; the labels of each unit."""
    if labels is None:
        return [], [0] * (count + 1), []
    single = labels.explode().dropna()  # several labels of a row stand under its position
    starts, owned, _ = memberships(units[single.index], renumbered(single), count)
    return np.bincount(owned).tolist(), starts, owned

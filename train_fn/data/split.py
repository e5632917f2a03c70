"""How rows are drawn into splits: seeded, with every label's share kept, and what belongs together in one of them."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from train_fn.data.check import check_rows_per_label, shortened
from train_fn.data.config import DataConfig
from train_fn.data.hub import SPLIT_NAMES
from train_fn.data.moments import moments
from train_fn.data.units import count_of, draw_units, queries, units
from train_fn.errors import DataError


def divide(table: pd.DataFrame, place: str) -> dict[str, pd.DataFrame]:
    """By a column `split` that says where each row belongs, in any case; what is not named there is made later."""
    words = ["" if word is None else str(word).strip().casefold() for word in table["split"].tolist()]
    known = {word: split for split, names in SPLIT_NAMES.items() for word in names}
    unknown = [word not in known for word in words]
    if any(unknown):
        got = sorted({repr(word) for word in words if word not in known})
        first = table.index[unknown][0] + 1
        raise DataError(
            f"{place}: `split_column` must say train, valid (validation, dev) or test, got {shortened(got)}, the first "
            f"in data row {first:,}; correct these rows"
        )
    split = np.array([known[word] for word in words])
    found = {name: table[split == name] for name in SPLIT_NAMES if (split == name).any()}
    if "train" not in found:
        raise DataError(f"{place}: `split_column` must give rows to train, got {', '.join(found)} alone; add such rows")
    return found


def complete(tables: Mapping[str, pd.DataFrame], config: DataConfig) -> dict[str, pd.DataFrame]:
    """Makes the splits that are missing: valid and test from "all", or valid from "train".

    With folds there is no valid split: train holds its rows too, and a column `fold` that counts from 0.
    """
    made = dict(tables)
    whole = len(made["all"] if "all" in made else made["train"])  # what the fractions are of
    if "all" in made:
        everything = made.pop("all")
        check_room(everything, ("train", "valid", "test"), config)
        # test first: another valid_fraction leaves the sealed test as it was
        rows = round(config.test_fraction * whole)
        made["train"], made["test"] = hold_out(everything, rows, "test_fraction", config, splits_left=2)
    if config.folds > 1:
        together = pd.concat([made["train"], made.pop("valid")]) if "valid" in made else made["train"]
        check_room(together, ("train", "valid"), config)
        made["train"] = together.assign(fold=folds(together, config))
    elif "valid" not in made:
        check_room(made["train"], ("train", "valid"), config)
        rows = round(config.valid_fraction * whole)
        made["train"], made["valid"] = hold_out(made["train"], rows, "valid_fraction", config, splits_left=1)
    return {name: made[name] for name in ("train", "valid", "test", "unlabelled") if name in made}


def check_room(table: pd.DataFrame, splits: tuple[str, ...], config: DataConfig) -> None:
    """Each split gets a row of every label, or at least one query, group or number."""
    if config.task == "classification" and config.time is None:
        check_rows_per_label(table, splits)
    kinds = {"group": "groups", "cluster": "texts that differ"}
    kind = next((name for column, name in kinds.items() if column in table), "rows")
    found, name = count_of(units(table, config)), "queries" if config.task == "ranking" else kind
    if found < len(splits):
        raise DataError(
            f"a split into {', '.join(splits)} needs {len(splits)} {name}, got {found}; add {name}"
            + (", or set `near_duplicates: report`" if kind == "texts that differ" else "")
        )


def hold_out(
    table: pd.DataFrame, rows: int, field: str, config: DataConfig, splits_left: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What stays, and the rows held out; both in the order of the table. What stays is for so many splits yet."""
    held_out = latest(table, rows, config) if config.time else draw_apart(table, rows, field, config, splits_left)
    return table[~held_out], table[held_out]


def draw_apart(table: pd.DataFrame, rows: int, field: str, config: DataConfig, splits_left: int) -> NDArray[np.bool_]:
    """Which rows are drawn, where the rows of one unit must not be parted."""
    members = units(table, config)
    if config.task == "ranking":
        return drawn_queries(members, rows, config.seed, splits_left)
    if config.task != "multi_label" and count_of(members) == len(table):
        return draw(table, rows, field, config)
    strata, order = strata_of(table, rows, config), drawing_order(table, rows, field, config)
    labels = None if config.task == "regression" else table["label"].reset_index(drop=True)
    return draw_units(members, strata, order, rows, labels, splits_left)


def latest(table: pd.DataFrame, rows: int, config: DataConfig) -> NDArray[np.bool_]:
    """The last rows in time, or of a ranking the queries asked last.

    What happened at one moment stays in one split where that leaves rows on both sides.
    """
    when = moments(table["time"])
    if config.task == "ranking":
        when = pd.Series(when).groupby(queries(table)).transform("max").to_numpy()
    in_order = np.sort(when)
    starts = 1 + np.flatnonzero(in_order[1:] != in_order[:-1])  # places where a cut parts no moment
    cut = min(max(len(table) - rows, 1), len(table) - 1)
    if len(starts):
        return when >= in_order[starts[np.abs(starts - cut).argmin()]]
    if config.task == "ranking":
        return drawn_queries(queries(table), rows, config.seed)
    return np.arange(len(table)) >= cut


def folds(table: pd.DataFrame, config: DataConfig) -> NDArray[np.int64]:
    """The fold of each row, as even in size and labels as the units allow: each is held out of what others left."""
    found = np.full(len(table), config.folds - 1, dtype=np.int64)
    count = count_of(units(table, config))
    if count < config.folds:
        raise DataError(f"`folds` must be at most the rows or groups there are ({count}), got {config.folds}; lower it")
    classes = table["label"].nunique() if config.task == "classification" else 0
    if len(table) // config.folds < classes:
        raise DataError(
            f"`folds` must leave a row of each of the {classes} labels in a fold, got {config.folds}; lower it"
        )
    left = np.arange(len(table))
    for fold in range(config.folds - 1):
        later = config.folds - 1 - fold
        held_out = draw_apart(table.iloc[left], round(len(left) / (later + 1)), "folds", config, later)
        found[left[held_out]] = fold
        left = left[~held_out]
    return found


def unlabel(train: pd.DataFrame, config: DataConfig) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows that keep their label, as the labels are spread, and those that lose it."""
    keeping = draw(train, max(1, round(config.labelled_fraction * len(train))), "labelled_fraction", config)
    losing = train[~keeping].drop(columns="fold", errors="ignore")
    return train[keeping], losing


def subset(table: pd.DataFrame, rows: int | None, field: str, config: DataConfig) -> pd.DataFrame:
    """At most so many rows, in the order of the table; a smaller subset lies inside a larger one."""
    if rows is None or rows >= len(table):
        return table
    return table[draw(table, rows, field, config)]


def draw(table: pd.DataFrame, rows: int, field: str, config: DataConfig) -> NDArray[np.bool_]:
    """Which rows are drawn: as the labels are spread over the table, or whole queries of a ranking."""
    if config.task == "ranking":
        return drawn_queries(queries(table), rows, config.seed)
    drawn = np.zeros(len(table), dtype=bool)
    drawn[drawing_order(table, rows, field, config)[: max(rows, 1)]] = True
    return drawn


def drawn_queries(groups: NDArray[np.int64], rows: int, seed: int, left: int = 1) -> NDArray[np.bool_]:
    """Whole queries in random order for as long as they fit, but at least one, and so many are left."""
    sizes = np.bincount(groups)
    order = np.random.default_rng(seed).permutation(len(sizes))
    fitting = int((np.cumsum(sizes[order]) <= rows).sum())
    return np.isin(groups, order[: min(max(fitting, 1), len(sizes) - left)])


def drawing_order(table: pd.DataFrame, rows: int, field: str, config: DataConfig) -> NDArray[np.int64]:
    """Positions of all rows; the first of them are a draw of that many rows in which every label has its share."""
    strata = strata_of(table, rows, config)
    order = stratified_order(strata, config.seed)
    if config.task == "multi_label":
        first = one_of_each(table["label"].tolist(), order)
        return np.concatenate([first, order[~np.isin(order, first)]])
    labels = int(strata.max()) + 1
    if config.task == "classification" and rows < labels:
        raise DataError(
            f"`{field}` must leave at least one row of each of the {labels} labels, got only {rows}; raise it"
        )
    return order


def strata_of(table: pd.DataFrame, rows: int, config: DataConfig) -> NDArray[np.int64]:
    """What a draw keeps the shares of: labels; of numbers, bins; of several labels in a row, the rarest of them."""
    if config.task == "regression":
        return quantiles(table["label"], rows)
    if config.task == "multi_label":
        size = table["label"].explode().value_counts()
        rarest = [min(labels, key=lambda label: (size[label], label), default="") for labels in table["label"]]
        return pd.factorize(np.array(rarest, dtype=object))[0].astype(np.int64)
    return pd.factorize(table["label"])[0].astype(np.int64)


def quantiles(numbers: pd.Series, rows: int, most: int = 10) -> NDArray[np.int64]:
    """Numbers in bins of equal size, so that small and large ones are drawn in their share; no more bins than rows."""
    bins = max(1, min(most, rows))
    place = numbers.rank(method="first").to_numpy() - 1
    return (place * bins // len(numbers)).astype(np.int64)


def one_of_each(labels: list[list[str]], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """A row of every label, the first of each in that order."""
    found: dict[int, None] = {}
    seen: set[str] = set()
    for row in order.tolist():
        if not seen.issuperset(labels[row]):
            seen.update(labels[row])
            found[row] = None
    return np.array(list(found), dtype=np.int64)


def stratified_order(strata: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Positions in the order in which rows are drawn: each stratum in its share, but one of each at first.

    Of a stratum with n rows in random order, row i stands at the quantile (i + 1/2) / n, and the lowest quantiles over
    all strata are drawn. (scikit-learn's train_test_split may leave a rare label out of one side altogether, and
    refuses to leave fewer rows than there are labels.)
    """
    shuffled = np.random.default_rng(seed).permutation(len(strata))
    place = pd.Series(strata[shuffled]).groupby(strata[shuffled]).cumcount().to_numpy()
    size = np.bincount(strata)[strata[shuffled]]
    quantile = np.where(place == size - 1, 1.0, (place + 0.5) / size)  # the last row of a label is drawn last
    quantile[place == 0] = 0.0  # and the first at once
    return shuffled[np.argsort(quantile, kind="stable")]

"""How rows are drawn into splits: seeded, and with every label's share kept."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from train_fn.data.check import check_rows_per_label
from train_fn.data.config import DataConfig
from train_fn.errors import DataError


def complete(tables: Mapping[str, pd.DataFrame], config: DataConfig) -> dict[str, pd.DataFrame]:
    """Makes the splits that are missing: valid and test from "all", or valid from "train"."""
    if "all" in tables:
        everything = tables["all"]
        check_room(everything, ("train", "valid", "test"), config)
        # test first: another valid_fraction leaves the sealed test as it was
        rest, test = hold_out(everything, round(config.test_fraction * len(everything)), "test_fraction", config)
        train, valid = hold_out(rest, round(config.valid_fraction * len(everything)), "valid_fraction", config)
        return {"train": train, "valid": valid, "test": test}
    if "valid" in tables:
        return dict(tables)
    everything = tables["train"]
    check_room(everything, ("train", "valid"), config)
    train, valid = hold_out(everything, round(config.valid_fraction * len(everything)), "valid_fraction", config)
    return {**tables, "train": train, "valid": valid}


def check_room(table: pd.DataFrame, splits: tuple[str, ...], config: DataConfig) -> None:
    """Each split gets a row of every label, or at least one query or number."""
    if config.task == "classification":
        check_rows_per_label(table, splits)
        return
    units, name = (table["text"].nunique(), "queries") if config.task == "ranking" else (len(table), "rows")
    if units < len(splits):
        raise DataError(f"a split into {', '.join(splits)} needs {len(splits)} {name}, got {units}; add {name}")


def hold_out(table: pd.DataFrame, rows: int, field: str, config: DataConfig) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What stays, and the rows held out; both in the order of the table."""
    held_out = draw(table, rows, field, config)
    return table[~held_out], table[held_out]


def subset(table: pd.DataFrame, rows: int | None, field: str, config: DataConfig) -> pd.DataFrame:
    """At most so many rows, in the order of the table; a smaller subset lies inside a larger one."""
    if rows is None or rows >= len(table):
        return table
    return table[draw(table, rows, field, config)]


def draw(table: pd.DataFrame, rows: int, field: str, config: DataConfig) -> NDArray[np.bool_]:
    """Which rows are drawn: as the labels are spread over the table, or whole queries of a ranking."""
    if config.task == "ranking":
        return drawn_queries(queries(table), rows, config.seed)
    if config.task == "regression":
        return stratified_draw(quantiles(table["label"], rows), max(rows, 1), field, config.seed)
    return stratified_draw(table["label"], rows, field, config.seed)


def queries(table: pd.DataFrame) -> NDArray[np.int64]:
    """The number of each row's query, in the order of their first rows."""
    return pd.factorize(table["text"])[0].astype(np.int64)


def drawn_queries(groups: NDArray[np.int64], rows: int, seed: int) -> NDArray[np.bool_]:
    """Whole queries in random order for as long as they fit, but at least one and never all of them."""
    sizes = np.bincount(groups)
    order = np.random.default_rng(seed).permutation(len(sizes))
    fitting = int((np.cumsum(sizes[order]) <= rows).sum())
    return np.isin(groups, order[: min(max(fitting, 1), len(sizes) - 1)])


def quantiles(numbers: pd.Series, rows: int, most: int = 10) -> pd.Series:
    """Numbers in bins of equal size, so that small and large ones are drawn in their share; no more bins than rows."""
    bins = max(1, min(most, rows))
    place = numbers.rank(method="first") - 1
    return (place * bins // len(numbers)).astype(int)


def stratified_draw(labels: pd.Series, rows: int, field: str, seed: int) -> NDArray[np.bool_]:
    """Which rows are drawn: each label in its share of the rows, but at least once, and where possible not wholly.

    Of a label with n rows in random order, row i stands at the quantile (i + 1/2) / n, and the lowest quantiles over
    all labels are drawn. (scikit-learn's train_test_split may leave a rare label out of one side altogether, and
    refuses to leave fewer rows than there are labels.)
    """
    if rows < labels.nunique():
        raise DataError(
            f"`{field}` must leave at least one row of each of the {labels.nunique()} labels, got {rows} rows; raise it"
        )
    shuffled = labels.iloc[np.random.default_rng(seed).permutation(len(labels))]
    place = shuffled.groupby(shuffled).cumcount().to_numpy()
    size = shuffled.map(shuffled.value_counts()).to_numpy()
    quantile = np.where(place == size - 1, 1.0, (place + 0.5) / size)  # the last row of a label is drawn last
    quantile[place == 0] = 0.0  # and the first at once
    chosen = shuffled.index[np.argsort(quantile, kind="stable")[:rows]]
    return labels.index.isin(chosen)

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
        check_rows_per_label(everything, ("train", "valid", "test"))
        # test first: another valid_fraction leaves the sealed test as it was
        rest, test = hold_out(everything, round(config.test_fraction * len(everything)), "test_fraction", config.seed)
        train, valid = hold_out(rest, round(config.valid_fraction * len(everything)), "valid_fraction", config.seed)
        return {"train": train, "valid": valid, "test": test}
    if "valid" in tables:
        return dict(tables)
    everything = tables["train"]
    check_rows_per_label(everything, ("train", "valid"))
    train, valid = hold_out(everything, round(config.valid_fraction * len(everything)), "valid_fraction", config.seed)
    return {**tables, "train": train, "valid": valid}


def hold_out(table: pd.DataFrame, rows: int, field: str, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What stays, and the rows held out; both in the order of the table."""
    held_out = stratified_draw(table["label"], rows, field, seed)
    return table[~held_out], table[held_out]


def subset(table: pd.DataFrame, rows: int | None, field: str, seed: int) -> pd.DataFrame:
    """At most so many rows, in the order of the table; a smaller subset lies inside a larger one."""
    if rows is None or rows >= len(table):
        return table
    return table[stratified_draw(table["label"], rows, field, seed)]


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

from collections.abc import Callable

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from train_fn.data import DataConfig
from train_fn.data.split import complete, stratified_draw, subset
from train_fn.errors import DataError

Config = Callable[..., DataConfig]


def test_three_splits_keep_every_row_once_and_every_share(table: pd.DataFrame, config: Config) -> None:
    splits = complete({"all": table}, config(valid_fraction=0.2, test_fraction=0.1))
    assert {split: len(rows) for split, rows in splits.items()} == {"train": 84, "valid": 24, "test": 12}
    assert sorted(pd.concat(splits.values()).index) == list(table.index)
    for rows in splits.values():
        assert rows["label"].value_counts(normalize=True).round(2).tolist() == [0.5, 0.33, 0.17]


def test_another_seed_draws_other_rows(table: pd.DataFrame, config: Config) -> None:
    first, again, other = (complete({"all": table}, config(seed=seed))["test"] for seed in (0, 0, 1))
    assert first.equals(again)
    assert not first.equals(other)


def test_the_sealed_test_does_not_depend_on_the_other_splits(table: pd.DataFrame, config: Config) -> None:
    small, large = (complete({"all": table}, config(valid_fraction=share))["test"] for share in (0.1, 0.3))
    assert small.equals(large)


def test_given_splits_stay_as_given(table: pd.DataFrame, config: Config) -> None:
    tables = {"train": table[:80], "valid": table[80:]}
    assert complete(tables, config()) == tables


def test_a_valid_split_is_made_from_train_alone(table: pd.DataFrame, config: Config) -> None:
    splits = complete({"train": table[20:], "test": table[:20]}, config(valid_fraction=0.2))
    assert (len(splits["train"]), len(splits["valid"]), len(splits["test"])) == (80, 20, 20)


def test_a_smaller_subset_lies_inside_a_larger_one(table: pd.DataFrame, config: Config) -> None:
    small, large = (subset(table, rows, "max_train_rows", config()) for rows in (30, 60))
    assert set(small.index) < set(large.index)
    assert small["label"].value_counts().tolist() == [15, 10, 5]
    assert small.index.is_monotonic_increasing
    assert subset(table, 500, "max_train_rows", config()) is table


def test_fewer_rows_than_labels_cannot_be_drawn(table: pd.DataFrame, config: Config) -> None:
    with pytest.raises(DataError, match="`max_train_rows` must leave at least one row of each of the 3 labels, got 2"):
        subset(table, 2, "max_train_rows", config())


@given(
    counts=st.lists(st.integers(2, 40), min_size=2, max_size=8), share=st.floats(0, 1), seed=st.integers(0, 2**32 - 1)
)
def test_both_sides_of_a_draw_have_every_label(counts: list[int], share: float, seed: int) -> None:
    labels = pd.Series([f"label {i}" for i, count in enumerate(counts) for _ in range(count)])
    rows = round(len(counts) + share * (len(labels) - 2 * len(counts)))
    drawn = stratified_draw(labels, rows, "valid_fraction", seed)
    assert drawn.sum() == rows
    assert set(labels[drawn]) == set(labels[~drawn]) == set(labels)

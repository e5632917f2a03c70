from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train_fn.data import TextDataConfig, fold_of_rows, load_all, prepare
from train_fn.data.split import complete, divide, stratified_order, subset
from train_fn.errors import DataError

Config = Callable[..., TextDataConfig]


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
    with pytest.raises(DataError, match="`max_train_rows` must leave at least one row .* 3 labels, got only 2"):
        subset(table, 2, "max_train_rows", config())


@given(
    counts=st.lists(st.integers(2, 40), min_size=2, max_size=8), share=st.floats(0, 1), seed=st.integers(0, 2**32 - 1)
)
def test_both_sides_of_a_draw_have_every_label(counts: list[int], share: float, seed: int) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    rows = round(len(counts) + share * (len(labels) - 2 * len(counts)))
    order = stratified_order(labels, seed)
    assert sorted(order) == list(range(len(labels)))
    assert set(labels[order[:rows]]) == set(labels[order[rows:]]) == set(labels)


def test_a_column_says_which_split_a_row_belongs_to(table: pd.DataFrame) -> None:
    words = ["Train", " TRAIN ", "validation", "dev", "Valid", "test"] * 20
    splits = divide(table.assign(split=words), "rows.csv")
    assert {split: len(rows) for split, rows in splits.items()} == {"train": 40, "valid": 60, "test": 20}
    assert splits["test"].index.tolist() == list(range(5, 120, 6))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "holdout", None, "test"], "got '', 'holdout', the first in data row 2; correct these rows"),
        (["test", "dev", "test", "dev"], "`split_column` must give rows to train, got valid, test alone"),
    ],
)
def test_words_that_name_no_split_are_refused(words: list[str | None], message: str) -> None:
    with pytest.raises(DataError) as error:
        divide(pd.DataFrame({"text": list("abcd"), "split": words}, dtype=object), "rows.csv")
    assert message in str(error.value)


def test_a_split_column_without_valid_has_one_made(table: pd.DataFrame, config: Config, tmp_path: Path) -> None:
    table.assign(part=["train", "train", "test"] * 40).to_csv(tmp_path / "rows.csv", index=False)
    prepared = prepare(config(split_column="part", valid_fraction=0.25))
    assert prepared.rows == {"train": 60, "valid": 20, "test": 40}


def test_a_split_column_is_of_one_table(table: pd.DataFrame, config: Config, csv: Path) -> None:
    table.assign(part="train").to_csv(csv, index=False)
    with pytest.raises(DataError, match="`split_column` must stand in one table that holds all splits, got train"):
        prepare(config(train=str(csv), split_column="part"))


@settings(deadline=None, max_examples=40)
@given(
    labels=st.lists(st.sampled_from("aaab"), min_size=12, max_size=80).filter(lambda found: found.count("b") > 3),
    count=st.integers(2, 4),
    seed=st.integers(0, 2**32 - 1),
)
def test_folds_share_rows_and_labels_evenly(labels: list[str], count: int, seed: int) -> None:
    config = TextDataConfig(file="rows.csv", folds=count, seed=seed)
    table = pd.DataFrame({"text": [f"text {i}" for i in range(len(labels))], "label": labels})
    folded = complete({"train": table}, config)["train"]
    assert folded["text"].tolist() == table["text"].tolist()
    sizes = folded["fold"].value_counts()
    assert sorted(sizes.index) == list(range(count)) and sizes.max() - sizes.min() <= 1
    for label in "ab":
        shares = folded[folded["label"] == label].groupby("fold").size().reindex(range(count), fill_value=0)
        assert shares.max() - shares.min() <= 2


def test_folds_are_over_train_and_valid_together_and_leave_the_test_as_it_was(config: Config) -> None:
    whole, folded = prepare(config(near_duplicates="ignore")), prepare(config(near_duplicates="ignore", folds=3))
    assert folded.rows == {"train": 102, "test": 18}
    test = [(prepared.folder / "test.sealed").read_bytes() for prepared in (whole, folded)]
    assert test[0] == test[1]
    assert np.bincount(fold_of_rows(config(near_duplicates="ignore", folds=3))).tolist() == [34, 34, 34]


def test_given_valid_rows_are_folded_too(config: Config, csv: Path) -> None:
    folded = prepare(config(train=str(csv), valid=str(csv), folds=4))
    assert folded.rows == {"train": 240}


def test_more_folds_than_rows_are_refused(table: pd.DataFrame, config: Config) -> None:
    with pytest.raises(DataError, match="`folds` must be at most the rows or groups there are"):
        complete({"train": table}, config(folds=121))
    with pytest.raises(DataError, match="`folds` must leave a row of each of the 3 labels in a fold, got 50; lower it"):
        complete({"train": table}, config(folds=50))


def test_rows_that_lose_their_label_are_a_split_of_their_own(config: Config) -> None:
    some = config(labelled_fraction=0.25, near_duplicates="ignore")
    prepared, splits = prepare(some), load_all(some)
    assert prepared.rows == {"train": 21, "valid": 18, "test": 18, "unlabelled": 63}
    assert prepared.classes["train"] == {"travel": 3, "날씨": 11, "음식": 7}
    assert "unlabelled" not in prepared.classes
    assert set(splits["unlabelled"].targets) == {-1}
    everything = load_all(config(near_duplicates="ignore"))["train"].texts
    assert sorted(splits["train"].texts + splits["unlabelled"].texts) == sorted(everything)


def tagged(rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    tags = [sorted(set(rng.choice(list("aaabbcd"), size=rng.integers(0, 4)))) for _ in range(rows)]
    return pd.DataFrame({"text": [f"text {i}" for i in range(rows)], "label": tags})


@settings(deadline=None, max_examples=30)
@given(rows=st.integers(40, 200), seed=st.integers(0, 2**32 - 1))
def test_of_several_labels_in_a_row_train_has_each(rows: int, seed: int) -> None:
    table = tagged(rows, seed)
    config = TextDataConfig(file="rows.csv", task="multi_label", seed=seed)
    splits = complete({"all": table}, config)
    assert sorted(pd.concat(splits.values()).index) == list(table.index)
    assert set(splits["train"]["label"].explode()) == set(table["label"].explode())
    assert abs(len(splits["test"]) - 0.15 * rows) <= 5
    assert set(subset(splits["train"], 8, "max_train_rows", config)["label"].explode().dropna()) == set(
        table["label"].explode().dropna()
    )

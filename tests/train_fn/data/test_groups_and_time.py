from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train_fn.data import TextDataConfig, prepare
from train_fn.data.moments import moments
from train_fn.data.split import complete
from train_fn.data.units import joined
from train_fn.errors import DataError

GROUPS = TextDataConfig(file="rows.csv", group="customer")
TIME = TextDataConfig(file="rows.csv", time="day")
Config = Callable[..., TextDataConfig]


def customers(sizes: list[int], seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(len(sizes)), sizes)
    table = pd.DataFrame({"text": [f"text {i}" for i in range(len(group))], "group": [f"customer {g}" for g in group]})
    return table.assign(label=rng.choice(list("aaab"), size=len(group))).sample(frac=1, random_state=seed)


def no_group_in_two(splits: dict[str, pd.DataFrame]) -> bool:
    return all(not set(splits[one]["group"]) & set(splits[other]["group"]) for one, other in combinations(splits, 2))


@settings(deadline=None, max_examples=50)
@given(sizes=st.lists(st.integers(1, 30), min_size=20, max_size=60), seed=st.integers(0, 2**32 - 1))
def test_no_group_is_in_two_splits_and_none_is_empty(sizes: list[int], seed: int) -> None:
    table = customers(sizes, seed).assign(label=["a", "b"] * (sum(sizes) // 2) + ["a"] * (sum(sizes) % 2))
    splits = complete({"all": table.reset_index(drop=True)}, TextDataConfig(file="x", group="customer", seed=seed))
    assert no_group_in_two(splits)
    assert all(len(split) for split in splits.values())
    assert sum(map(len, splits.values())) == sum(sizes)


def test_groups_are_drawn_so_that_rows_and_labels_have_their_share() -> None:
    sizes = np.random.default_rng(1).integers(1, 12, size=300).tolist()
    table = customers(sizes).reset_index(drop=True)
    splits = complete({"all": table}, GROUPS)
    assert no_group_in_two(splits)
    for split, share in {"train": 0.7, "valid": 0.15, "test": 0.15}.items():
        assert len(splits[split]) / len(table) == pytest.approx(share, abs=0.01)
        rare = (splits[split]["label"] == "b").mean()
        assert rare == pytest.approx((table["label"] == "b").mean(), abs=0.02)


def test_large_groups_are_drawn_as_often_as_small_ones() -> None:
    table = customers([40] * 20 + [1] * 200).reset_index(drop=True)
    held_out = [
        complete({"all": table}, TextDataConfig(file="x", group="customer", seed=seed))["test"] for seed in range(30)
    ]
    large = sum(int((split["group"].value_counts() > 1).sum()) for split in held_out)
    assert 30 < large < 130  # 15 % of 20 groups in 30 splits are 90


def test_too_few_groups_are_refused() -> None:
    with pytest.raises(DataError, match="a split into train, valid, test needs 3 groups, got 2; add groups"):
        complete({"all": customers([10, 10])}, GROUPS)


def test_a_row_without_a_group_is_named() -> None:
    table = customers([5, 5, 5]).reset_index(drop=True)
    table.loc[3, "group"] = None
    table.loc[7, "group"] = " "
    with pytest.raises(DataError, match="a group in every row, got 2 without, the first in data row 4"):
        complete({"all": table}, GROUPS)


def test_folds_part_no_group() -> None:
    table = customers([3] * 40).reset_index(drop=True)
    folded = complete({"train": table}, TextDataConfig(file="x", group="customer", folds=5))["train"]
    assert (folded.groupby("group")["fold"].nunique() == 1).all()
    assert folded["fold"].value_counts().between(18, 30).all()


def test_a_ranking_keeps_the_queries_of_a_group_together() -> None:
    rows = pd.DataFrame({"text": [f"query {i // 4}" for i in range(160)], "pair": [f"text {i}" for i in range(160)]})
    rows = rows.assign(label=np.arange(160) % 2.0, group=[f"user {i // 8}" for i in range(160)])
    config = TextDataConfig(file="x", task="ranking", query="query", group="user")
    splits = complete({"all": rows}, config)
    assert no_group_in_two(splits)
    assert not set(splits["train"]["text"]) & set(splits["test"]["text"])


def test_rows_are_linked_by_way_of_others() -> None:
    query, user = np.repeat([0, 1, 2, 3], 256), np.repeat([0, 0, 1, 2], 256)
    user[300] = 1  # one row of the second query is of the third query's user
    assert len(set(joined(query, user)[:768])) == 1
    assert len(set(joined(query, user))) == 2


def test_groups_and_days_are_not_learned_from(table: pd.DataFrame, config: Config, csv: Path) -> None:
    table.assign(customer=np.arange(120) // 2, day=np.random.default_rng(0).permutation(120)).to_csv(csv, index=False)
    for fields in ({"group": "customer"}, {"time": "day"}):
        prepared = prepare(config(**fields, max_train_rows=50))
        assert set(pd.read_parquet(prepared.folder / "train.parquet").columns) == {"text", "label"}


def days(values: list[object]) -> pd.DataFrame:
    count = len(values)
    return pd.DataFrame(
        {"text": [f"text {i}" for i in range(count)], "label": ["a", "b"] * (count // 2), "time": values}
    )


@settings(deadline=None)
@given(st.lists(st.integers(0, 50), min_size=20, max_size=120).filter(lambda found: len(set(found)) >= 10))
def test_test_comes_after_valid_and_valid_after_train(when: list[int]) -> None:
    table = days([*when, *when])
    splits = complete({"all": table}, TIME)
    assert splits["train"]["time"].max() < splits["valid"]["time"].min()
    assert splits["valid"]["time"].max() < splits["test"]["time"].min()
    assert sum(map(len, splits.values())) == len(table)


def test_shares_hold_where_moments_differ() -> None:
    table = days(list(np.random.default_rng(0).permutation(200)))
    assert {split: len(rows) for split, rows in complete({"all": table}, TIME).items()} == {
        "train": 140,
        "valid": 30,
        "test": 30,
    }


def test_rows_of_one_moment_are_not_cut_apart() -> None:
    splits = complete({"all": days([1] * 60 + [2] * 24 + [3] * 16)}, TIME)
    assert {split: set(rows["time"]) for split, rows in splits.items()} == {"train": {1}, "valid": {2}, "test": {3}}


def test_a_single_moment_is_cut_in_the_order_of_the_rows() -> None:
    splits = complete({"all": days([1] * 100)}, TIME)
    assert [len(split) for split in splits.values()] == [70, 15, 15]
    assert splits["test"].index.tolist() == list(range(85, 100))


@pytest.mark.parametrize(
    "written",
    [
        ["9", "10", "-1.5", "1e3"],
        ["2024-02-01", "2024-10-01", "2023-12-31", "2025-01-01"],
        ["2024-02-01T10:00:00", "2024-02-01 10:00:00.5", "2024-02-01", "2024-02-02"],
        ["2024-02-01T10:00:00+09:00", "2024-02-01T02:00:00Z", "2024-02-01T00:59:00", "2024-02-01T03:00:00+00:00"],
        [
            pd.Timestamp("2024-02-01"),
            pd.Timestamp("2024-10-01"),
            pd.Timestamp("2023-01-01"),
            pd.Timestamp("2025-01-01"),
        ],
        [2, 3.5, 1, 4],
    ],
)
def test_numbers_and_dates_are_put_in_order(written: list[object]) -> None:
    assert moments(pd.Series(written, dtype=object)).argsort().tolist() == [2, 0, 1, 3]


@pytest.mark.parametrize("wrong", ["yesterday", None, "31.12.2024", "nan"])
def test_what_is_no_moment_is_named(wrong: str | None) -> None:
    for others in (["2024-02-01"], ["17"]):
        with pytest.raises(
            DataError, match="`time` must name a column of numbers or ISO dates .* got 1 without, the first"
        ) as error:
            moments(pd.Series(others * 3 + [wrong], dtype=object))
        assert "data row 4" in str(error.value)


def test_of_a_ranking_a_query_is_as_late_as_its_last_row() -> None:
    rows = pd.DataFrame({"text": [f"query {i % 10}" for i in range(40)], "pair": [f"text {i}" for i in range(40)]})
    fractions = {"valid_fraction": 0.1, "test_fraction": 0.2}
    config = TextDataConfig(file="x", task="ranking", query="query", time="day", **fractions)
    splits = complete({"all": rows.assign(label=np.arange(40) % 2.0, time=np.arange(40))}, config)
    assert [sorted(set(split["text"])) for split in splits.values()] == [
        [f"query {i}" for i in range(7)],
        ["query 7"],
        ["query 8", "query 9"],
    ]


def test_folds_cannot_be_in_order_of_time() -> None:
    with pytest.raises(ValueError, match="`folds` must be 1 beside `time`, got 5"):
        TextDataConfig(file="rows.csv", time="day", folds=5)

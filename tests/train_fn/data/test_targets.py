"""Labels that are numbers or grades, texts that come in pairs, and queries that stay whole."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train_fn import data
from train_fn.data import TextDataConfig
from train_fn.data.select import select
from train_fn.data.split import complete, drawn_queries, subset
from train_fn.errors import DataError

NUMBERS = TextDataConfig(file="rows.csv", task="regression")
GRADES = TextDataConfig(file="rows.csv", task="ranking", query="query")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"task": "sorting"}, "`task` must be one of classification, multi_label, regression, ranking, got 'sorting'"),
        ({"task": "ranking"}, "`query` must name a column for ranking, got None; name the column of the query"),
        ({"query": "q"}, "`query` goes with `task: ranking`, got 'q' for classification; leave it out"),
        ({"task": "ranking", "query": "q", "text_pair": "b"}, "`text_pair` must be None for ranking"),
        ({"text_pair": "label"}, "`text_pair` and `label` must be two columns, got 'label' for both"),
        ({"text": "label"}, "`text` and `label` must be two columns, got 'label' for both; name the label column"),
    ],
)
def test_fields_that_do_not_fit_together_are_refused(fields: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError) as error:
        TextDataConfig(file="rows.csv", **fields)  # type: ignore[arg-type]
    assert str(error.value).startswith(message)


def write(folder: Path, table: pd.DataFrame, **fields: object) -> TextDataConfig:
    table.to_csv(folder / "rows.csv", index=False)
    return TextDataConfig(file=str(folder / "rows.csv"), cache=str(folder / "cache"), **fields)  # type: ignore[arg-type]


def prices(rows: int = 200) -> pd.DataFrame:
    worth = np.random.default_rng(0).lognormal(4, 1, size=rows)
    return pd.DataFrame({"text": [f"thing {index}" for index in range(rows)], "label": worth})


def test_numbers_come_back_as_they_were(tmp_path: Path) -> None:
    table = prices()
    splits = data.load(write(tmp_path, table, task="regression"))
    assert (splits.task, splits.labels, splits.train.targets.dtype) == ("regression", (), np.float64)
    worth = dict(zip(table["text"], table["label"], strict=True))
    expected = np.array([worth[text] for text in splits.train.texts])
    assert np.array_equal(splits.train.targets, expected)


def test_every_split_has_small_and_large_numbers_in_their_share() -> None:
    splits = complete({"all": prices(1_000)}, NUMBERS)
    medians = [split["label"].median() for split in splits.values()]
    assert max(medians) < 1.1 * min(medians)
    assert sum(map(len, splits.values())) == 1_000


def test_numbers_that_are_all_the_same_are_nothing_to_learn(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="two different labels or more to learn regression from, got only 7"):
        data.prepare(write(tmp_path, prices().assign(label=7), task="regression"))


def test_a_pair_stands_beside_its_text(tmp_path: Path) -> None:
    table = pd.DataFrame({"one": [f"a {i}" for i in range(60)], "two": [f"b {i}" for i in range(60)]})
    table["label"] = ["same", "other"] * 30
    splits = data.load(write(tmp_path, table, text="one", text_pair="two"))
    assert splits.train.pairs == [text.replace("a", "b") for text in splits.train.texts]
    assert splits.labels == ("other", "same")


def test_the_pair_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    table = pd.DataFrame({"text": [f"a {i}" for i in range(60)], "two": "b", "label": ["x", "y"] * 30})
    first = data.prepare(write(tmp_path, table, text_pair="two")).fingerprint
    assert data.prepare(write(tmp_path, table.assign(two="c"), text_pair="two")).fingerprint != first


def answers(sizes: list[int]) -> pd.DataFrame:
    query = np.repeat(np.arange(len(sizes)), sizes)
    table = pd.DataFrame(
        {"query": [f"question {q}" for q in query], "text": [f"answer {i}" for i in range(len(query))]}
    )
    return table.assign(label=np.arange(len(query)) % 3).sample(frac=1, random_state=0)


def test_a_ranking_is_read_as_query_and_text_with_the_rows_of_a_query_together(tmp_path: Path) -> None:
    table = answers([5, 3, 7, 4, 6, 2, 9, 4, 5, 3])
    splits = data.load(write(tmp_path, table, task="ranking", query="query"))
    for split in (splits.train, splits.valid):
        assert split.groups is not None and split.pairs is not None
        assert split.groups.tolist() == sorted(split.groups)
        assert len(set(zip(split.texts, split.groups.tolist(), strict=True))) == split.groups.max() + 1
        whole = {(row.query, row.text, float(row.label)) for row in table.itertuples()}
        assert set(zip(split.texts, split.pairs, split.targets.tolist(), strict=True)) <= whole


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 12), min_size=3, max_size=40), st.integers(0, 2**32 - 1))
def test_no_query_is_in_two_splits(sizes: list[int], seed: int) -> None:
    config = TextDataConfig(file="rows.csv", task="ranking", query="query", seed=seed)
    splits = complete({"all": select(answers(sizes), config, "rows.csv")}, config)
    questions = [set(split["text"]) for split in splits.values()]
    assert sum(map(len, questions)) == len(sizes) == len(set.union(*questions))
    assert all(questions)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 12), min_size=2, max_size=40), st.integers(1, 100), st.integers(0, 2**32 - 1))
def test_some_queries_are_drawn_and_some_are_left(sizes: list[int], rows: int, seed: int) -> None:
    groups = np.repeat(np.arange(len(sizes)), sizes)
    drawn = drawn_queries(groups, rows, seed)
    assert drawn.any() and not drawn.all()
    assert set(groups[drawn]).isdisjoint(groups[~drawn])


def test_a_subset_of_a_ranking_holds_whole_queries() -> None:
    table = select(answers([5] * 20), GRADES, "rows.csv")
    some = subset(table, 33, "max_train_rows", GRADES)
    assert len(some) == 30
    assert set(some["text"].value_counts()) == {5}


def test_fewer_queries_than_splits_cannot_be_split() -> None:
    table = select(answers([5, 5]), GRADES, "rows.csv")
    with pytest.raises(DataError, match="a split into train, valid, test needs 3 queries, got 2; add queries"):
        complete({"all": table}, GRADES)

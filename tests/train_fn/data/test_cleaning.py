from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from train_fn.data import CleaningConfig, DataConfig, ImageDataConfig, TableDataConfig, TextDataConfig
from train_fn.data.cleaning import Findings, clean
from train_fn.errors import DataError

CLASSES = TextDataConfig(file="rows.csv")
NUMBERS = TextDataConfig(file="rows.csv", task="regression")
GRADES = TextDataConfig(file="rows.csv", task="ranking", query="query")
TAGS = TextDataConfig(file="rows.csv", task="multi_label")


def frame(texts: list[str | None], labels: list[object], **columns: object) -> pd.DataFrame:
    return pd.DataFrame({"text": texts, "label": labels, **columns}, dtype=object)


def rules(config: DataConfig, **cleaning: str) -> DataConfig:
    return replace(config, cleaning=CleaningConfig(**cleaning))  # type: ignore[arg-type]


def counted(findings: Findings) -> dict[str, tuple[int, str]]:
    return {line["what"]: (line["rows"], line["done"]) for line in findings}


def kept(table: pd.DataFrame, config: DataConfig = CLASSES, training: bool = True) -> list[int]:
    return clean(table, config, "rows.csv", training)[0].index.tolist()


def test_clean_rows_stay_as_they_are() -> None:
    table = frame(["one", "two", "three", "four"], ["a", "b", "a", "b"])
    cleaned, findings = clean(table, CLASSES, "rows.csv", training=True)
    assert cleaned.equals(table)
    assert findings == []


def test_a_label_with_blanks_counts_as_one() -> None:
    table = frame(["one", "two", "three"], ["a", "\ta ", "a\u3000"])
    cleaned, findings = clean(table, CLASSES, "rows.csv", training=True)
    assert cleaned["label"].tolist() == ["a", "a", "a"]
    assert findings == [
        {"place": "rows.csv", "what": "blanks around a label", "rows": 2, "done": "stripped", "examples": [2, 3]}
    ]


def test_texts_are_composed_and_stripped() -> None:
    table = frame(["\u00a0caf\u0065\u0301\u3000", "\u1112\u1161\u11ab", "two\n lines"], ["a"] * 3)
    assert clean(table, CLASSES, "rows.csv", True)[0]["text"].tolist() == ["caf\u00e9", "한", "two\n lines"]
    assert clean(frame(["ﬁne Ａ"] * 2, ["a", "a"]), rules(CLASSES, unicode="NFKC"), "", False)[0]["text"].tolist() == [
        "fine A",
        "fine A",
    ]


def test_texts_can_be_left_as_they_are() -> None:
    table = frame([" e\u0301 ", "two"], [" a", " a"])
    cleaned, findings = clean(table, rules(CLASSES, unicode="keep", blanks="keep"), "rows.csv", training=True)
    assert cleaned.equals(table) and findings == []


@pytest.mark.parametrize("missing", [None, "", " \t\u3000", float("nan")])
def test_rows_without_a_label_or_a_text_are_dropped(missing: object) -> None:
    table = frame(["one", "two", missing, "four", "five"], ["a", missing, "a", "a", "a"])  # type: ignore[list-item]
    for training in (True, False):
        cleaned, findings = clean(table, CLASSES, "rows.csv", training)
        assert cleaned.index.tolist() == [0, 3, 4]
        assert counted(findings) == {"label missing": (1, "dropped"), "text missing": (1, "dropped")}


def test_a_row_that_lacks_both_is_counted_once() -> None:
    table = frame([None, "two", "three"], [None, "a", "a"])
    assert counted(clean(table, CLASSES, "rows.csv", True)[1]) == {"label missing": (1, "dropped")}


def test_numbers_that_are_missing_and_infinite_are_counted_apart() -> None:
    table = frame(list("abcdef"), [1.0, np.nan, np.inf, -np.inf, np.inf, 2.0]).astype({"label": float})
    cleaned, findings = clean(table, NUMBERS, "rows.csv", training=False)
    assert cleaned["label"].tolist() == [1.0, 2.0]
    assert counted(findings) == {"label missing": (1, "dropped"), "label infinite": (3, "dropped")}
    assert findings[1]["details"] == {"inf": 2, "-inf": 1}


def test_the_first_of_several_duplicates_stays() -> None:
    table = frame(["one", "two", "one", "two ", "two", "three", "four"], list("ababbab"))
    cleaned, findings = clean(table, CLASSES, "rows.csv", training=True)
    assert cleaned.index.tolist() == [0, 1, 5, 6]
    assert findings[-1]["details"] == {
        "rows": 5,
        "surplus": 3,
        "groups": {"2": 1, "3": 1},
        "as written": {"rows": 4, "surplus": 2, "groups": {"2": 2}},
    }


def test_a_text_under_several_labels_goes_altogether() -> None:
    table = frame(["one", "two", "one", "three", "one", "four", "five"], list("aabbaba"))
    cleaned, findings = clean(table, CLASSES, "rows.csv", training=True)
    assert cleaned.index.tolist() == [1, 3, 5, 6]
    assert counted(findings) == {
        "repeats another row": (1, "dropped"),
        "same input under several labels": (2, "dropped"),
    }
    assert findings[1]["details"] == {"inputs": 1, "labels": {"2": 1}}


def test_a_label_on_one_row_only_goes_after_its_duplicates_and_conflicts() -> None:
    table = frame(["one", "one", "two", "three", "two", "four", "five"], list("aabcccb"))
    # "one" is left once under a; "two" is in conflict and takes one of b and one of c with it
    cleaned, findings = clean(table, CLASSES, "rows.csv", training=True)
    assert cleaned.index.tolist() == [3, 5]
    assert findings[-1]["details"] == {"labels": ["a", "b"]}
    assert counted(findings)["label on one row only"] == (2, "dropped")


def test_given_valid_and_test_rows_keep_duplicates_conflicts_and_single_labels() -> None:
    table = frame(["one", "one", "one", "two"], ["a", "a", "b", "c"])
    assert kept(table, training=False) == [0, 1, 2, 3]


def test_keeping_counts_and_refusing_names_the_first_row() -> None:
    table = frame(["one", "one", "two", "two", "three", "four"], list("aaabca"))
    keep = rules(CLASSES, duplicates="keep", conflicts="keep", single_labels="keep")
    cleaned, findings = clean(table, keep, "rows.csv", training=True)
    assert len(cleaned) == 6
    assert list(counted(findings).values()) == [(1, "kept"), (2, "kept"), (2, "kept")]
    for rule, message in {
        "duplicates": "every row must differ from the others, got 1 without, the first in data row 2",
        "conflicts": "must have the label that other rows with its input have, got 2 without, the first in data row 3",
        "single_labels": "must have a label that others have too, got 1 without, the first in data row 5",
    }.items():
        with pytest.raises(DataError) as error:
            clean(table, rules(CLASSES, **{rule: "refuse"}), "rows.csv", training=True)
        assert message in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(DataError, match="every row must have a label, got 1 without, the first in data row 2"):
        clean(frame(["one", "two"], ["a", " "]), rules(CLASSES, missing_labels="refuse"), "rows.csv", training=False)


def test_when_no_row_is_left_it_says_what_took_them() -> None:
    table = frame(["one", "one", "", "two", "three"], ["a", "b", "a", None, "a"])
    with pytest.raises(DataError) as error:
        clean(table, CLASSES, "rows.csv", training=True)
    assert str(error.value) == (
        "rows.csv: rows must be left after cleaning, got none of 5: label missing (1); text missing (1); same input "
        "under several labels (2); label on one row only (1); correct the file, or set `cleaning` to keep them"
    )


def test_of_a_ranking_query_and_text_are_the_input() -> None:
    table = frame(["q", "q", "q", "r", "r"], [0.0, 1.0, 1.0, 1.0, 0.0], pair=["x", "y", "y", "x", "x"])
    cleaned, findings = clean(table.astype({"label": float}), GRADES, "rows.csv", training=True)
    assert cleaned.index.tolist() == [0, 1]
    assert counted(findings) == {
        "repeats another row": (1, "dropped"),
        "same input under several labels": (2, "dropped"),
    }


def test_measurements_that_differ_are_no_conflict() -> None:
    table = frame(["one", "one", "one"], [1.0, 2.0, 1.0]).astype({"label": float})
    assert kept(table, NUMBERS) == [0, 1]


def test_labels_of_a_row_are_compared_as_a_set() -> None:
    table = frame(["one", "one", "two", "two"], [["a", "b"], ["b", "a"], ["a"], ["a", "b"]])
    assert kept(table, rules(TAGS, single_labels="keep")) == [0]


def test_no_label_at_all_is_an_answer_where_there_can_be_several() -> None:
    table = frame(["one", "two", "three"], [[], ["a"], ["a"]])
    assert kept(table, TAGS) == [0, 1, 2]


def test_a_row_that_goes_may_leave_another_label_single() -> None:
    table = frame(list("xyzuv"), [["a", "b"], ["b"], ["c"], ["c"], []])
    cleaned, findings = clean(table, TAGS, "rows.csv", training=True)
    assert cleaned.index.tolist() == [2, 3, 4]
    assert findings[-1]["details"] == {"labels": ["a", "b"]}


def test_images_are_compared_by_their_bytes(tmp_path: Path) -> None:
    config = ImageDataConfig(file="rows.csv")
    contents = [b"same", b"other", b"same", b"longer one"]
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    files = pd.DataFrame({"image": [*map(str, paths), None], "label": list("abaab")}, dtype=object)
    arrays = pd.DataFrame({"image": [np.full((2, 2, 3), shade, dtype=np.uint8) for shade in (1, 2, 1, 3)]})
    for table in (files, arrays.assign(label=list("abaa"))):
        cleaned, findings = clean(table, rules(config, single_labels="keep"), "rows.csv", training=True)
        assert cleaned.index.tolist() == [0, 1, 3]
        assert counted(findings)["repeats another row"] == (1, "dropped")
    assert counted(clean(files, config, "", False)[1]) == {"image missing or unreadable": (1, "dropped")}


def test_rows_of_a_table_are_compared_by_all_columns_and_may_lack_some() -> None:
    config = TableDataConfig(file="rows.csv")
    table = pd.DataFrame(
        {
            "x.age": [1.0, 1.0, np.nan, np.nan, np.nan],
            "x.job": ["baker", " baker", None, None, "cook"],
            "label": list("aaaab"),
        }
    )
    cleaned, findings = clean(table, rules(config, single_labels="keep"), "rows.csv", training=True)
    assert cleaned.index.tolist() == [0, 4]
    assert counted(findings) == {
        "blanks around a text": (1, "stripped"),
        "all columns missing": (2, "dropped"),
        "repeats another row": (1, "dropped"),
        "label on one row only": (2, "kept"),
    }


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["", " ", "x", "x ", "y", "é", "e\u0301", None]), st.sampled_from(["a", " a", "b", ""])
        ),
        min_size=1,
        max_size=30,
    )
)
def test_cleaning_twice_is_cleaning_once(rows: list[tuple[str | None, str]]) -> None:
    table = frame([text for text, _ in rows], [label for _, label in rows])
    try:
        once, findings = clean(table, CLASSES, "rows.csv", training=True)
    except DataError as error:
        assert "rows must be left" in str(error)
        return
    twice, again = clean(once, CLASSES, "rows.csv", training=True)
    assert twice.equals(once) and again == []
    assert len(table) - len(once) == sum(line["rows"] for line in findings if line["done"] == "dropped")
    assert not once["text"].duplicated().any()

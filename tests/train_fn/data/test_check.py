import numpy as np
import pandas as pd
import pytest

from train_fn.data import DataConfig
from train_fn.data.check import check_classes, check_labels_known, check_rows_per_label, labelled_texts
from train_fn.errors import DataError

CONFIG = DataConfig(file="rows.csv")


def refusal(table: pd.DataFrame, config: DataConfig = CONFIG) -> str:
    with pytest.raises(DataError) as error:
        labelled_texts(table, config, "rows.csv")
    assert "\n" not in str(error.value)
    return str(error.value)


def frame(labels: list[object], texts: list[object] | None = None) -> pd.DataFrame:
    return pd.DataFrame({"text": texts or ["some words"] * len(labels), "label": labels}, dtype=object)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["b", "a"], ["b", "a"]),
        ([1, 0], ["1", "0"]),
        ([1.0, 0.0], ["1", "0"]),
        ([True, False], ["True", "False"]),
        ([np.int64(7), np.float32(8), np.bool_(True)], ["7", "8", "True"]),
    ],
)
def test_a_label_has_one_name_however_it_is_typed(labels: list[object], names: list[str]) -> None:
    assert labelled_texts(frame(labels), CONFIG, "rows.csv")["label"].tolist() == names


def test_texts_stay_as_they_are_and_columns_get_our_names() -> None:
    texts = [" 앞뒤 빈칸 ", 3.5, "two\nlines"]
    table = pd.DataFrame({"body": texts, "topic": ["a", "b", "a"], "score": [1, 2, 3]}, dtype=object)
    checked = labelled_texts(table, DataConfig(file="rows.csv", text="body", label="topic"), "rows.csv")
    assert checked.to_dict("list") == {"text": [" 앞뒤 빈칸 ", "3.5", "two\nlines"], "label": ["a", "b", "a"]}


def test_a_missing_column_names_the_nearest_and_all_others() -> None:
    message = refusal(pd.DataFrame({"text": ["a"], "labels": ["x"], "id": [1]}))
    assert message == (
        "rows.csv: `label` must name a column, got 'label'; columns are text, labels, id; did you mean 'labels'?"
    )


def test_no_rows_are_refused() -> None:
    assert refusal(pd.DataFrame()).startswith("rows.csv: there must be rows to learn from, got none")
    assert refusal(pd.DataFrame({"text": [], "label": []})).startswith("rows.csv: there must be rows")


@pytest.mark.parametrize("missing", [None, "", " \t\u3000", float("nan"), pd.NA])
def test_missing_values_are_counted_and_the_first_is_named(missing: object) -> None:
    assert refusal(frame(["a", missing, "b", missing])) == (
        "rows.csv: every row must have a label, got 2 without, the first in data row 2; label these rows or delete them"
    )
    assert "must have a text, got 1 without, the first in data row 3" in refusal(frame(["a"] * 3, ["x", "y", missing]))


def test_a_label_with_a_blank_beside_it_is_refused() -> None:
    assert "without blanks around it, got 1 without, the first in data row 2" in refusal(frame(["a", "a\u3000"]))


def test_half_an_emoji_is_refused() -> None:
    assert "must have a text of valid Unicode, got 1 without, the first in data row 2" in refusal(
        frame(["a", "b"], ["x", "\ud83d"])
    )


@pytest.mark.parametrize("label", [0.37, ["a", "b"], {"a": 1}, b"a"])
def test_what_is_no_class_is_no_label(label: object) -> None:
    assert f"must be a string, a whole number or a bool, got {label!r}" in refusal(frame(["a", label]))


def test_one_class_is_refused() -> None:
    with pytest.raises(DataError, match="two labels or more to tell apart, got only 'a'"):
        check_classes(frame(["a", "a"]))


def test_a_label_too_rare_to_be_split_is_named_with_its_count() -> None:
    with pytest.raises(DataError, match=r"into train, valid needs 2 rows of every label, got fewer of 'b' \(1\); add"):
        check_rows_per_label(frame(["a", "a", "b"]), ("train", "valid"))


def test_labels_that_train_lacks_are_named() -> None:
    splits = {"train": frame(["a", "b"]), "valid": frame(["a"]), "test": frame(["a", *"dcefgh"])}
    with pytest.raises(DataError, match="the test split .* got 'c', 'd', 'e', 'f', 'g' and 1 more besides"):
        check_labels_known(splits)

import pandas as pd
import pytest

from train_fn.data.check import check_classes, check_labels_known, check_rows_per_label
from train_fn.errors import DataError


def frame(labels: list[object], texts: list[object] | None = None) -> pd.DataFrame:
    return pd.DataFrame({"text": texts or ["some words"] * len(labels), "label": labels}, dtype=object)


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

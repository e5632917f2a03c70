import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from train_fn.data.store import fingerprint

Splits = dict[str, pd.DataFrame]


def splits() -> Splits:
    train = pd.DataFrame(
        {"text": ["one", "two", "three", "twee"], "pair": ["a", None, "b", ""], "label": list("abab")}, dtype=object
    )
    return {"train": train, "test": train[:2].reset_index(drop=True)}


def test_it_is_32_hexadecimal_characters() -> None:
    assert len(fingerprint(splits())) == 32
    assert int(fingerprint(splits()), 16) > 0


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("column", ["text", "pair", "label"])
@pytest.mark.parametrize("row", [0, 1])
def test_any_cell_changes_it(split: str, column: str, row: int) -> None:
    changed = splits()
    changed[split].loc[row, column] = "changed"
    assert fingerprint(changed) != fingerprint(splits())


def test_order_splits_columns_and_gaps_change_it() -> None:
    before = splits()
    variants: list[Splits] = [
        before,
        {**before, "train": before["train"].iloc[::-1]},
        {"train": before["test"], "test": before["train"]},
        {"train": before["train"], "valid": before["test"]},
        {"train": before["train"]},
        {**before, "train": before["train"].rename(columns={"pair": "pairs"})},
        {**before, "train": before["train"].drop(columns="pair")},
        {**before, "train": before["train"].fillna("")},
        {**before, "train": before["train"].fillna("None")},
        {**before, "train": before["train"].assign(text=["on", "etwo", "three", "twee"])},
        {**before, "train": before["train"].assign(text=before["train"]["label"], label=before["train"]["text"])},
    ]
    assert len({fingerprint(variant) for variant in variants}) == len(variants)


def test_it_does_not_depend_on_how_rows_are_kept() -> None:
    before = splits()
    chunked = pd.concat([before["train"][:1], before["train"][1:]])
    typed = before["train"].astype("str").where(before["train"].notna(), None)
    columns = before["train"][["label", "pair", "text"]]
    index = before["train"].set_index(np.array([7, 5, 3, 1]))
    for same in (chunked, typed, columns, index):
        assert fingerprint({**before, "train": same}) == fingerprint(before)
    assert fingerprint(dict(reversed(before.items()))) == fingerprint(before)


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=20), st.data())
def test_any_number_changes_it(numbers: list[float], data: st.DataObject) -> None:
    changed = list(numbers)
    row = data.draw(st.integers(0, len(numbers) - 1))
    changed[row] = data.draw(st.floats(allow_nan=False).filter(lambda other: other != numbers[row]))
    before, after = (pd.DataFrame({"x.a": found, "label": 1.0}) for found in (numbers, changed))
    assert fingerprint({"train": before}) != fingerprint({"train": after})


def test_of_images_it_is_what_they_show(tmp_path) -> None:  # type: ignore[no-untyped-def]
    for name, content in {"a": b"one", "b": b"one", "c": b"two"}.items():
        (tmp_path / name).write_bytes(content)
    a, b, c = (
        fingerprint({"train": pd.DataFrame({"image": [str(tmp_path / name)], "label": ["x"]})}) for name in "abc"
    )
    assert a == b != c
    arrays = [np.zeros((2, 3, 3), dtype=np.uint8), np.zeros((3, 2, 3), dtype=np.uint8), np.ones((2, 3, 3), np.uint8)]
    assert len({fingerprint({"train": pd.DataFrame({"image": [array], "label": ["x"]})}) for array in arrays}) == 3


def test_labels_of_several_count_each() -> None:
    one, other = (fingerprint({"train": pd.DataFrame({"label": [tags]})}) for tags in (["a", "b"], ["a,b"]))
    assert one != other

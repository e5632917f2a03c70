from collections.abc import Callable
from pathlib import Path

import pandas as pd
import PIL.Image
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, List, Value

from train_fn.data import ImageDataConfig, TextDataConfig, load, open_test, prepare
from train_fn.errors import DataError

Config = Callable[..., TextDataConfig]


def rows(table: pd.DataFrame, first: int, last: int) -> Dataset:
    return Dataset.from_pandas(table.sample(frac=1, random_state=0)[first:last], preserve_index=False)


def test_a_saved_data_set_keeps_its_splits(table: pd.DataFrame, config: Config, tmp_path: Path) -> None:
    splits = {"train": rows(table, 0, 80), "validation": rows(table, 80, 100), "test": rows(table, 100, 120)}
    DatasetDict(splits).save_to_disk(tmp_path / "saved")
    assert prepare(config(source=str(tmp_path / "saved"))).rows == {"train": 80, "valid": 20, "test": 20}


def test_a_saved_data_set_without_splits_is_split(table: pd.DataFrame, config: Config, tmp_path: Path) -> None:
    rows(table, 0, 120).save_to_disk(tmp_path / "saved")
    assert prepare(config(source=str(tmp_path / "saved"))).rows == {"train": 84, "valid": 18, "test": 18}


def test_numbered_labels_get_the_names_that_the_data_set_gives(
    table: pd.DataFrame, config: Config, tmp_path: Path
) -> None:
    named = rows(table, 0, 120).cast_column("label", ClassLabel(names=["travel", "날씨", "음식"]))
    named.save_to_disk(tmp_path / "saved")
    assert load(config(source=str(tmp_path / "saved"))).labels == ("travel", "날씨", "음식")


def test_a_test_split_whose_labels_are_withheld_is_no_test(table: pd.DataFrame, config: Config, tmp_path: Path) -> None:
    names = ClassLabel(names=["travel", "날씨", "음식"])
    withheld = Dataset.from_dict({"text": ["a", "b"], "label": [-1, -1]}).cast_column("label", names)
    DatasetDict({"train": rows(table, 0, 120).cast_column("label", names), "test": withheld}).save_to_disk(
        tmp_path / "saved"
    )
    known = config(source=str(tmp_path / "saved"))
    assert "test" in prepare(known).rows  # made from train, as for a data set that has no test at all
    assert len(open_test(known).texts) == 18


def test_an_unknown_data_set_is_one_line(config: Config, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"`source` must be docstrings, .* got .*/absent: .*; check the name") as error:
        prepare(config(source=str(tmp_path / "absent")))
    assert "\n" not in str(error.value)


def test_several_numbered_labels_get_their_names(config: Config, tmp_path: Path) -> None:
    named = List(ClassLabel(names=["angry", "glad", "sad"]))
    rows = Dataset.from_dict(
        {"text": [f"text {row}" for row in range(60)], "label": [[row % 3, (row + 1) % 3] for row in range(60)]},
        features=Features({"text": Value("string"), "label": named}),
    )
    rows.save_to_disk(tmp_path / "saved")
    prepared = prepare(config(source=str(tmp_path / "saved"), task="multi_label", near_duplicates="ignore"))
    assert prepared.labels == ("angry", "glad", "sad")


def test_images_of_a_saved_data_set_are_decoded(tmp_path: Path) -> None:
    shades = [PIL.Image.new("RGB", (5, 4), (shade, 0, 0)) for shade in range(40)]
    rows = Dataset.from_dict(
        {"image": shades, "label": ["a", "b"] * 20}, features=Features({"image": Image(), "label": Value("string")})
    )
    rows.save_to_disk(tmp_path / "saved")
    splits = load(ImageDataConfig(source=str(tmp_path / "saved"), cache=str(tmp_path / "cache")))
    assert splits.train.images[0].shape == (4, 5, 3)


@pytest.mark.parametrize("name", ["../../etc", "a/../../b", "a/b/c", "..", "file:///etc", "https://example.com/a"])
def test_a_name_that_is_none_of_the_hub_is_not_fetched(name: str, config: Config) -> None:
    with pytest.raises(
        DataError, match="`source` must be docstrings, .*(Repo id must|not written by save_to_disk)"
    ) as error:
        prepare(config(source=name))
    assert "\n" not in str(error.value)

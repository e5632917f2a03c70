import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from train_fn.data import CleaningConfig, TextDataConfig, load, open_test, prepare
from train_fn.errors import DataError

Config = Callable[..., TextDataConfig]
DATA = Path("../shared/data")
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data, which is absent here")


def test_the_record_says_what_the_splits_hold(config: Config) -> None:
    prepared = prepare(config())
    assert prepared.labels == ("travel", "날씨", "음식")
    assert prepared.rows == {"train": 84, "valid": 18, "test": 18}
    assert prepared.classes["train"] == {"travel": 14, "날씨": 42, "음식": 28}
    assert len(prepared.fingerprint) == 32


def test_loaded_rows_are_those_of_the_file(config: Config, table: pd.DataFrame) -> None:
    splits, test = load(config()), open_test(config())
    found = {
        text: splits.labels[target]
        for examples in (splits.train, splits.valid, test)
        for text, target in zip(examples.texts, examples.targets, strict=True)
    }
    assert found == dict(zip(table["text"], table["label"], strict=True))
    assert splits.train.targets.dtype == np.int64


def test_loading_never_touches_the_sealed_test(config: Config) -> None:
    (prepare(config()).folder / "test.sealed").unlink()
    assert len(load(config()).train.texts) == 84


def test_train_and_valid_alone_have_no_sealed_test(config: Config, csv: Path) -> None:
    two = config(train=str(csv), valid=str(csv))
    assert prepare(two).rows == {"train": 120, "valid": 120}
    with pytest.raises(DataError, match="a sealed test needs a test split"):
        open_test(two)


def test_sub_sampling_leaves_the_sealed_test_as_it_is(config: Config) -> None:
    short = config(max_train_rows=30, max_valid_rows=6)
    assert prepare(short).rows == {"train": 30, "valid": 6, "test": 18}
    assert open_test(short).texts == open_test(config()).texts


def test_the_same_rows_have_the_same_fingerprint_wherever_they_are_kept(config: Config, tmp_path: Path) -> None:
    here, there, other = config(), config(cache=str(tmp_path / "elsewhere")), config(seed=1)
    assert prepare(here).fingerprint == prepare(there).fingerprint != prepare(other).fingerprint


def test_a_changed_file_is_prepared_anew(config: Config, csv: Path) -> None:
    before = prepare(config())
    csv.write_text(csv.read_text().replace("Seoul", "Busan"))
    os.utime(csv, ns=(1, 1))
    after = prepare(config())
    assert before.folder != after.folder
    assert before.fingerprint != after.fingerprint


def test_bad_data_leave_nothing_behind(config: Config, csv: Path, tmp_path: Path) -> None:
    csv.write_text("text,label\nsome words,a\n")
    with pytest.raises(DataError, match="rows must be left after cleaning, got none of 1: label on one row only"):
        prepare(config())
    assert list((tmp_path / "cache" / "data").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_one_line(config: Config, csv: Path) -> None:
    with pytest.raises(DataError, match=r"`cache` must be a folder that can be written, got .*; name another"):
        prepare(config(cache=str(csv)))


def test_processes_that_prepare_at_once_agree(config: Config, tmp_path: Path) -> None:
    code = f"from train_fn.data import *; print(prepare({config(cache=str(tmp_path))}).fingerprint)"
    processes = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    fingerprints = {process.communicate()[0].strip() for process in processes}
    assert fingerprints == {prepare(config()).fingerprint}
    assert len(list((tmp_path / "data").iterdir())) == 1  # no temporary folder is left


def test_a_prepared_folder_is_found_without_pandas(config: Config) -> None:
    prepare(config())
    code = f"import sys; from train_fn.data import *; prepare({config()}); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    assert not {"torch", "transformers", "pandas", "sklearn", "datasets"} & set(loaded)


@needs_data
def test_korean_questions_come_in_their_three_splits(config: Config) -> None:
    folder = DATA / "chatbot_ko"
    files = {split: str(folder / f"{split}.csv") for split in ("train", "valid", "test")}
    prepared = prepare(config(**files))
    assert prepared.rows == {"train": 9162, "valid": 1000, "test": 1500}
    assert prepared.labels == ("breakup", "daily", "love")
    assert load(config(**files)).train.texts[0] == "오늘 까먹고 아무 것도 안 가져 왔다"


@needs_data
def test_seventy_seven_banking_intents_survive_a_short_run(config: Config) -> None:
    path = str(DATA / "banking77_en" / "train.csv")
    prepared = prepare(config(file=path, max_train_rows=500))
    assert prepared.rows["train"] == 500
    assert all(len(classes) == 77 for classes in prepared.classes.values())


@needs_data
def test_a_dirty_file_is_refused_with_its_first_bad_row(config: Config) -> None:
    with pytest.raises(DataError, match="must have a label, got 60 without, the first in data row 33"):
        path = str(DATA / "dirty" / "chatbot_ko_dirty.csv")
        prepare(config(file=path, cleaning=CleaningConfig(missing_labels="refuse")))

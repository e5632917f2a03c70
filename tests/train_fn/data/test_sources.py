"""Rows that come from elsewhere than a table in a file: arrays, folders, packages, functions, lists of images."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from train_fn.data import ImageDataConfig, TableDataConfig, TextDataConfig, load, open_test, prepare
from train_fn.data.config import DataConfig
from train_fn.data.tables import read_tables

DATA = Path("../shared/data")
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data, which is absent here")
Function = Callable[[str], str]


@pytest.fixture
def cache(tmp_path: Path) -> str:
    return str(tmp_path / "cache")


@pytest.fixture
def function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Function]:
    """Writes `my_rows.py` into the working directory; called with the body of its function `rows`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def write(body: str) -> str:
        sys.modules.pop("my_rows", None)
        (tmp_path / "my_rows.py").write_text(f"def rows():\n    {body}\n")
        return "my_rows:rows"

    yield write
    sys.modules.pop("my_rows", None)


def picture(path: Path, shade: int = 0, size: int = 4) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((size, size + 1, 3), shade, dtype=np.uint8)).save(path)
    return path


# Arrays


def archive(path: Path, **arrays: object) -> Path:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def test_arrays_bring_their_own_splits(tmp_path: Path, cache: str) -> None:
    x, y = np.random.default_rng(0).integers(0, 256, size=(60, 5, 4, 3), dtype=np.uint8), np.arange(60) % 3
    path = archive(tmp_path / "a.npz", x_train=x[:40], y_train=y[:40], x_valid=x[40:50], y_valid=y[40:50])
    splits = load(ImageDataConfig(file=str(path), cache=cache))
    assert np.array_equal(np.asarray(splits.train.images), x[:40])
    assert np.array_equal(splits.valid.targets, y[40:50])
    assert splits.labels == ("0", "1", "2")


def test_arrays_without_splits_are_split(tmp_path: Path, cache: str) -> None:
    x, y = np.random.default_rng(0).integers(0, 256, size=(60, 5, 4), dtype=np.uint8), np.array(["cat", "dog"] * 30)
    config = ImageDataConfig(file=str(archive(tmp_path / "a.npz", x=x, y=y)), cache=cache)
    assert prepare(config).rows == {"train": 42, "valid": 9, "test": 9}
    found = np.asarray(open_test(config).images)
    assert found.shape == (9, 5, 4, 3)
    assert (found[..., 0] == found[..., 2]).all()  # grey


def test_arrays_may_stand_in_a_file_for_each_split(tmp_path: Path, cache: str) -> None:
    x, y = np.random.default_rng(0).integers(0, 256, size=(40, 5, 4), dtype=np.uint8), np.arange(40) % 2
    files = {
        name: str(archive(tmp_path / f"{name}.npz", x=x[rows], y=y[rows]))
        for name, rows in {"train": slice(30), "valid": slice(30, 40)}.items()
    }
    files["unlabelled"] = str(archive(tmp_path / "more.npz", x=x[:7] ^ 255))
    assert prepare(ImageDataConfig(**files, cache=cache)).rows == {"train": 30, "valid": 10, "unlabelled": 7}  # type: ignore[arg-type]


@needs_data
def test_hand_signs_come_in_their_three_splits(cache: str) -> None:
    prepared = prepare(ImageDataConfig(file=str(DATA / "sign_digits" / "sign_digits_48.npz"), cache=cache))
    assert prepared.labels == tuple("0123456789")
    assert prepared.rows["test"] == 400


# Folders


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    """Ten pictures each of cats and dogs, every one of another shade."""
    for row in range(20):
        picture(tmp_path / "animals" / ("cat", "dog")[row % 2] / f"{row:02}.png", row)
    return tmp_path / "animals"


def test_a_folder_for_each_label_is_one_table(animals: Path) -> None:
    (animals / "README.md").touch()
    (animals / "cat" / ".DS_Store").touch()
    (animals / "dog" / "Thumbs.db").touch()
    tables = read_tables(ImageDataConfig(folder=str(animals)))
    frame = tables["all"].frame
    assert frame["label"].tolist() == ["cat"] * 10 + ["dog"] * 10
    assert frame["image"].tolist() == sorted(str(path) for path in animals.rglob("*.png"))


def test_folders_for_splits_hold_folders_for_labels(animals: Path, cache: str) -> None:
    for split in ("train", "val", "test"):
        for label, shade in (("cat", 0), ("dog", 128)):
            for row, name in enumerate(("a.jpg", "b.webp", "c.gif", "deep/d.bmp", "E.JPEG")):
                picture(animals / "split" / split / label / name, shade + 8 * row + 64 * (split == "train"))
    config = ImageDataConfig(folder=str(animals / "split"), near_duplicates="ignore", cache=cache)
    assert prepare(config).rows == {"train": 10, "valid": 10, "test": 10}


def test_a_label_may_be_called_train(animals: Path) -> None:
    (animals / "cat").rename(animals / "train")
    assert set(read_tables(ImageDataConfig(folder=str(animals)))["all"].frame["label"]) == {"train", "dog"}


def test_texts_may_lie_in_folders(tmp_path: Path) -> None:
    for label, text, encoding in (
        ("날씨", "비가 오나", "cp949"),
        ("날씨", "눈이\n오나", "utf-8-sig"),
        ("food", "yum", "ascii"),
    ):
        (tmp_path / "texts" / label).mkdir(parents=True, exist_ok=True)
        (tmp_path / "texts" / label / f"{encoding}.txt").write_bytes(text.encode(encoding))
    table = read_tables(TextDataConfig(folder=str(tmp_path / "texts")))["all"]
    assert table.frame.to_dict("list") == {
        "text": ["yum", "비가 오나", "눈이\n오나"],
        "label": ["food", "날씨", "날씨"],
    }
    assert (table.encoding, table.bom) == ("cp949, utf-8", True)


def test_a_changed_folder_is_prepared_anew(animals: Path, cache: str) -> None:
    config = ImageDataConfig(folder=str(animals), cache=cache)
    before = prepare(config)
    assert prepare(config).folder == before.folder
    picture(animals / "cat" / "new.png", 200)
    assert sum(prepare(config).rows.values()) == 21


# Lists of images


def images_of(config: DataConfig) -> list[object]:
    from train_fn.data.select import select

    [table] = read_tables(config).values()
    images: list[object] = select(table.frame, config, table.place)["image"].tolist()
    return images


def test_paths_in_a_list_begin_at_its_folder(animals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (animals / "list.csv").write_text(f"image,label\ncat/00.png,a\n./dog/../dog/01.png,b\n{animals}/cat/02.png,a\n,b\n")
    monkeypatch.chdir(tmp_path)  # which says nothing about the paths
    found = images_of(ImageDataConfig(file="animals/list.csv"))
    assert [path and Path(str(path)).resolve() for path in found] == [
        animals / "cat" / "00.png",
        animals / "dog" / "01.png",
        animals / "cat" / "02.png",
        None,
    ]
    assert all(Path(str(path)).is_absolute() for path in found if path)


def test_an_image_that_cannot_be_read_is_missing(animals: Path) -> None:
    whole = (animals / "cat" / "00.png").read_bytes()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)).save(animals / "noise.jpg")
    (animals / "cut.png").write_bytes(whole[:-30])
    (animals / "cut.jpg").write_bytes((animals / "noise.jpg").read_bytes()[:2000])
    (animals / "text.png").write_text("no image")
    (animals / "empty.png").touch()
    names = ["cut.png", "cut.jpg", "text.png", "empty.png", "absent.png", "cat", "noise.jpg"]
    pd.DataFrame({"image": names, "label": "a"}).to_csv(animals / "list.csv", index=False)
    found = images_of(ImageDataConfig(file=str(animals / "list.csv")))
    assert found == [None] * 6 + [str(animals / "noise.jpg")]


def test_a_list_of_images_is_cleaned_and_split(animals: Path, cache: str) -> None:
    names = [f"cat/{row:02}.png" for row in range(0, 20, 2)] + [f"dog/{row:02}.png" for row in range(1, 20, 2)]
    labels = ["cat"] * 10 + ["dog"] * 10
    pd.DataFrame({"image": [*names, "absent.png"], "label": [*labels, "cat"]}).to_csv(animals / "a.csv", index=False)
    prepared = prepare(ImageDataConfig(file=str(animals / "a.csv"), cache=cache))
    assert sum(prepared.rows.values()) == 20
    assert "image missing or unreadable" in str(prepared.report["findings"])


# Data sets of packages


@pytest.mark.parametrize(
    ("name", "rows", "labels", "column"),
    [
        ("iris", 150, ("setosa", "versicolor", "virginica"), "sepal_length_(cm)"),
        ("wine", 178, ("class_0", "class_1", "class_2"), "alcohol"),
        ("breast_cancer", 569, ("benign", "malignant"), "mean_radius"),
        ("digits", 1797, tuple("0123456789"), "pixel_0_1"),
    ],
)
def test_a_data_set_of_scikit_learn_is_a_table(
    name: str, rows: int, labels: tuple[str, ...], column: str, cache: str
) -> None:
    config = TableDataConfig(source=name, cache=cache)
    [table] = read_tables(config).values()
    assert len(table.frame) == rows
    splits = load(config)
    assert splits.labels == labels
    assert splits.train.columns[column].dtype == float


def test_diabetes_is_in_its_own_units(cache: str) -> None:
    splits = load(TableDataConfig(source="diabetes", task="regression", cache=cache))
    assert 18 < splits.train.columns["age"].mean() < 80
    assert 25 <= splits.train.targets.min() < splits.train.targets.max() <= 346


def test_digits_are_images_where_images_are_asked_for(cache: str) -> None:
    splits = load(ImageDataConfig(source="digits", cache=cache))
    images = np.asarray(splits.train.images)
    assert (images.shape[1:], images.dtype, images.min(), images.max()) == ((8, 8, 3), np.uint8, 0, 255)
    assert splits.labels == tuple("0123456789")


def test_a_template_reads_a_data_set_of_columns(cache: str) -> None:
    config = TextDataConfig(source="iris", template="A petal of {petal_width_(cm):.1f} cm", cache=cache)
    assert all(text.startswith("A petal of ") and text.endswith(" cm") for text in load(config).train.texts)


# Functions

ROWS = [{"text": f"text {row}", "label": "ab"[row % 2]} for row in range(40)]


@pytest.mark.parametrize(
    "body",
    [
        "return __import__('pandas').DataFrame(ROWS)",
        "return __import__('pandas').DataFrame(ROWS, index=range(5, 45))",
        "return ROWS",
        "return {'text': [row['text'] for row in ROWS], 'label': [row['label'] for row in ROWS]}",
    ],
)
def test_a_function_may_return_a_table_in_any_shape(body: str, function: Function, cache: str) -> None:
    dotted = function(body.replace("ROWS", repr(ROWS)))
    [table] = read_tables(TextDataConfig(function=dotted)).values()
    assert table.frame.to_dict("records") == ROWS
    assert table.frame.index.tolist() == list(range(40))


def test_a_function_may_return_splits(function: Function, cache: str) -> None:
    dotted = function(f"rows = {ROWS}\n    return {{'train': rows[:30], 'test': rows[30:]}}")
    prepared = prepare(TextDataConfig(function=dotted, near_duplicates="ignore", cache=cache))
    assert prepared.rows["test"] == 10
    assert prepared.rows["train"] + prepared.rows["valid"] == 30


def test_a_changed_module_is_prepared_anew(function: Function, cache: str) -> None:
    config = TextDataConfig(function=function(f"return {ROWS}"), near_duplicates="ignore", cache=cache)
    assert sum(prepare(config).rows.values()) == 40
    function(f"return {ROWS}[:-4]")
    assert sum(prepare(config).rows.values()) == 36


def test_a_function_may_name_images_anywhere(function: Function, animals: Path) -> None:
    dotted = function(f"return {{'image': ['animals/cat/00.png', '{animals}/dog/01.png'], 'label': ['a', 'b']}}")
    assert images_of(ImageDataConfig(function=dotted)) == [
        str(animals / "cat" / "00.png"),
        str(animals / "dog" / "01.png"),
    ]


# Rows without labels


def test_rows_without_labels_are_a_split_of_their_own(table: pd.DataFrame, csv: Path, cache: str) -> None:
    table["text"].map("even more {}".format).to_csv(csv.with_name("more.csv"), index=False)
    config = TextDataConfig(file=str(csv), unlabelled=str(csv.with_name("more.csv")), cache=cache)
    prepared = prepare(config)
    assert prepared.rows["unlabelled"] == 120
    assert sum(rows for split, rows in prepared.rows.items() if split != "unlabelled") == 120

import gzip
import json
from pathlib import Path

import pandas as pd
import pytest

from train_fn.data.files import READERS, read_file
from train_fn.errors import DataError

ROWS = [
    {"text": "내일 비가 올까?", "label": "날씨"},
    {"text": 'a comma, a "quote"\nand a second line', "label": "None"},
    {"text": "🙂 and NaN", "label": "01"},
]


def write(path: Path, encoding: str = "utf-8") -> Path:
    """The rows in the format that the file's name says."""
    format, *compressed = path.suffixes
    if format == ".parquet":
        pd.DataFrame(ROWS).to_parquet(path)
        return path
    content = (
        "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS)
        if format == ".jsonl"
        else pd.DataFrame(ROWS).to_csv(index=False, sep="\t" if format == ".tsv" else ",")
    ).encode(encoding)
    path.write_bytes(gzip.compress(content) if compressed else content)
    return path


@pytest.mark.parametrize("suffix", READERS)
def test_every_format_gives_the_same_rows(suffix: str, tmp_path: Path) -> None:
    assert read_file("file", str(write(tmp_path / f"rows{suffix}"))).to_dict("records") == ROWS


@pytest.mark.parametrize("suffix", [".csv", ".tsv.gz", ".jsonl"])
def test_a_byte_order_mark_is_no_part_of_the_first_column(suffix: str, tmp_path: Path) -> None:
    assert read_file("file", str(write(tmp_path / f"rows{suffix}", "utf-8-sig"))).to_dict("records") == ROWS


def test_a_suffix_in_capitals_is_the_same_suffix(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv").rename(tmp_path / "ROWS.CSV")
    assert len(read_file("file", str(path))) == 3


def test_another_suffix_names_those_that_work(tmp_path: Path) -> None:
    (tmp_path / "rows.xlsx").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"`train` must end in one of \.csv, \.csv\.gz, .*\.parquet, got .*rows\.xlsx"):
        read_file("train", str(tmp_path / "rows.xlsx"))


def test_an_absent_file_is_named_by_its_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as error:
        read_file("valid", "valid.csv")
    assert str(error.value) == f"`valid` must be a file, found none at {tmp_path}/valid.csv; correct the path"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("binary.csv", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"),
        ("cp949.csv", "text,label\n비,날씨\n".encode("cp949")),
        ("unquoted.csv", b'text,label\nit never "ends,x\n"it never ends,x\n'),
        ("a_field_too_many.csv", b"text,label\na,b,x\n"),
        ("a_field_too_many_in_one_row.csv", b"text,label\na,x\na,b,x\n"),
        ("not_gzip.csv.gz", b"text,label\na,x\n"),
        ("cut_off.jsonl.gz", gzip.compress(b'{"text": "a", "label": "x"}\n' * 99)[:-12]),
        ("broken.csv.gz", gzip.compress(b"text,label\n" * 99)[:20] + b"\xff" * 30),
        ("broken.parquet", b"PAR1 and no more"),
        ("broken.jsonl", b'{"text": "a", "label": "x"}\n{"text": \n'),
        ("list.jsonl", b'["a", "x"]\n'),
    ],
)
def test_a_file_that_is_not_what_its_suffix_says_is_one_line(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as error:
        read_file("file", str(tmp_path / name))
    assert str(error.value).startswith("`file` must hold what its suffix")
    assert str(tmp_path / name) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["empty.csv", "empty.tsv.gz", "empty.jsonl"])
def test_an_empty_file_is_a_table_without_rows(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"")
    assert read_file("file", str(tmp_path / name)).empty

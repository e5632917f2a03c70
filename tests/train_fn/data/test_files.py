import gzip
import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train_fn.data import decoding
from train_fn.data.decoding import find_encoding, open_text
from train_fn.data.files import TEXT_READERS, read_file
from train_fn.errors import DataError

ROWS = [
    {"text": "내일 비가 올까?", "label": "날씨"},
    {"text": 'a comma, a "quote"\nand a second line\r\nand a third', "label": "None"},
    {"text": "NaN", "label": "01"},
]
TABLES = (*TEXT_READERS, ".parquet")


def write(path: Path, encoding: str = "utf-8", rows: list[dict[str, str]] = ROWS) -> Path:
    """The rows in the format that the file's name says."""
    format, *compressed = path.suffixes
    if format.lower() == ".parquet":
        pd.DataFrame(rows).to_parquet(path)
        return path
    content = (
        "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        if format == ".jsonl"
        else pd.DataFrame(rows).to_csv(index=False, sep="\t" if format == ".tsv" else ",")
    ).encode(encoding)
    path.write_bytes(gzip.compress(content) if compressed else content)
    return path


def refusal(path: Path, encoding: str = "auto") -> str:
    with pytest.raises(DataError) as error:
        read_file("file", str(path), encoding)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("suffix", TABLES)
def test_every_format_gives_the_same_rows(suffix: str, tmp_path: Path) -> None:
    table = read_file("file", str(write(tmp_path / f"rows{suffix}")))
    assert table.frame.to_dict("records") == ROWS
    assert (table.encoding, table.bom) == (None if suffix == ".parquet" else "utf-8", False)


@pytest.mark.parametrize("suffix", [".csv", ".tsv.gz", ".jsonl"])
@pytest.mark.parametrize(
    ("written", "found", "bom"),
    [("utf-8-sig", "utf-8", True), ("utf-16", "utf-16", True), ("utf-32", "utf-32", True), ("cp949", "cp949", False)],
)
def test_what_windows_and_excel_write_is_read_and_told(
    suffix: str, written: str, found: str, bom: bool, tmp_path: Path
) -> None:
    table = read_file("file", str(write(tmp_path / f"rows{suffix}", written)))
    assert table.frame.to_dict("records") == ROWS
    assert (table.encoding, table.bom) == (found, bom)


@pytest.mark.parametrize("encoding", ["utf-16-le", "johab", "utf-7"])
def test_another_encoding_is_read_where_it_is_named(encoding: str, tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", encoding)
    assert read_file("file", str(path), encoding).frame.to_dict("records") == ROWS


@pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "utf_8_sig"])
def test_a_mark_is_no_part_of_the_first_column_where_utf_8_is_named(encoding: str, tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", "utf-8-sig")
    assert read_file("file", str(path), encoding).frame.columns.tolist() == ["text", "label"]


def test_western_text_is_not_taken_for_korean(tmp_path: Path) -> None:
    """Windows' curly apostrophe and an s are a rare syllable in CP949, and "ção" begins with a Chinese character."""
    for text in ("it’s theirs, isn’t it", "informação"):
        path = tmp_path / "rows.csv"
        path.write_bytes(f"text,label\n{text.replace(',', '')},x\n".encode("cp1252"))
        assert path.read_bytes().decode("cp949")  # it would go unnoticed
        assert "must be in UTF-8 or CP949, reads as neither; name its `encoding`" in refusal(path)
        assert read_file("file", str(path), "cp1252").frame["text"][0] == text.replace(",", "")
        assert read_file("file", str(path), "cp949").frame["label"][0] == "x"  # who names it, knows


@settings(deadline=None)
@given(st.text(alphabet=st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), min_size=1), st.booleans())
def test_all_hangul_comes_back_from_utf_8(tmp_path_factory: pytest.TempPathFactory, text: str, bom: bool) -> None:
    path = tmp_path_factory.mktemp("any") / "text.txt"
    path.write_bytes(text.encode("utf-8-sig" if bom else "utf-8"))
    encoding, marked = find_encoding(path, "auto")
    with open_text(path, encoding) as file:
        assert (file.read(), encoding, marked) == (text, "utf-8", bom)


@settings(deadline=None)
@given(st.text(alphabet="가나다라마바사한국어날씨안녕 abc,.\n", min_size=1))
def test_common_hangul_comes_back_from_cp949(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("any") / "text.txt"
    path.write_bytes(text.encode("cp949"))
    with open_text(path, find_encoding(path, "auto")[0]) as file:
        assert file.read() == text


@pytest.mark.parametrize("chunk", [2, 4, 6, 1024])
def test_a_character_may_lie_across_two_chunks(chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "CHUNK", chunk)
    for encoding in ("utf-8", "cp949", "utf-16"):
        path = write(tmp_path / "rows.csv", encoding)
        assert find_encoding(path, "auto")[0] == encoding


def test_a_suffix_in_capitals_is_the_same_suffix(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv").rename(tmp_path / "ROWS.CSV")
    assert len(read_file("file", str(path)).frame) == 3


def test_another_suffix_names_those_that_work(tmp_path: Path) -> None:
    (tmp_path / "rows.xlsx").write_bytes(b"PK")
    with pytest.raises(
        DataError, match=r"`train` must end in one of \.csv, \.csv\.gz, .*\.parquet, \.npz, got .*\.xlsx"
    ):
        read_file("train", str(tmp_path / "rows.xlsx"))


def test_an_absent_file_is_named_by_its_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as error:
        read_file("valid", "valid.csv")
    assert str(error.value) == f"`valid` must be a file, found none at {tmp_path}/valid.csv; correct the path"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("image.csv", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "must be text, looks like a PNG image"),
        ("sheet.csv", b"PK\x03\x04" + bytes(90), "must be text, looks like an Excel file or another zip archive"),
        (
            "unquoted.csv",
            b'text,label\nit never "ends,x\n"it never ends,x\n',
            "line 3 must pair its quotes, got unexpected end of data",
        ),
        (
            "inner.csv",
            b'text,label\n"he said "hi" to me",x\n',
            "line 2 must pair its quotes, got ',' expected after '\"'",
        ),
        ("more.csv", b"text,label\na,b,x\n", "line 2 must have 2 fields as the header has, got 3"),
        ("fewer.csv", b"text,label\na,x\n\nb\n", "line 4 must have 2 fields as the header has, got 1"),
        ("plain.csv.gz", b"text,label\na,x\n", "Not a gzipped file"),
        ("cut_off.jsonl.gz", gzip.compress(b'{"text": "a", "label": "x"}\n' * 99, mtime=0)[:-12], "ended before"),
        ("broken.csv.gz", gzip.compress(b"text,label\n" * 99, mtime=0)[:14] + bytes(range(90)), "invalid"),
        ("broken.parquet", b"PAR1 and no more", "Parquet"),
        ("broken.jsonl", b'{"text": "a", "label": "x"}\n{"text": \n', "line 2 must be JSON, got Expecting value"),
        ("list.jsonl", b'["a", "x"]\n', 'line 1 must be an object such as {"text": ...}, got a list'),
    ],
)
def test_a_file_that_is_not_what_its_suffix_says_is_one_line(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    found = refusal(tmp_path / name)
    assert message in found
    assert str(tmp_path / name) in found


@pytest.mark.parametrize("name", ["empty.csv", "empty.tsv.gz", "empty.jsonl"])
def test_an_empty_file_is_a_table_without_rows(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"")
    assert read_file("file", str(tmp_path / name)).frame.empty


def test_a_blank_line_is_no_row(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("\ntext,label\n\na,x\n  \nb,y\n\n")
    assert read_file("file", str(tmp_path / "rows.csv")).frame["label"].tolist() == ["x", "y"]


def test_a_written_index_is_no_column(table: pd.DataFrame, tmp_path: Path) -> None:
    table.to_csv(tmp_path / "rows.csv")
    table[table["label"] != "음식"].to_parquet(tmp_path / "rows.parquet")
    for name in ("rows.csv", "rows.parquet"):
        frame = read_file("file", str(tmp_path / name)).frame
        assert frame.columns.tolist() == ["text", "label"]
        assert frame.index.tolist() == list(range(len(frame)))


def test_a_column_that_was_made_the_index_is_a_column_again(table: pd.DataFrame, tmp_path: Path) -> None:
    table.set_index("text").to_parquet(tmp_path / "rows.parquet")
    assert sorted(read_file("file", str(tmp_path / "rows.parquet")).frame) == ["label", "text"]


def test_the_name_of_a_folder_is_no_column_of_a_parquet_file(tmp_path: Path) -> None:
    (tmp_path / "year=2020").mkdir()
    path = write(tmp_path / "year=2020" / "rows.parquet")
    assert read_file("file", str(path)).frame.columns.tolist() == ["text", "label"]


@pytest.mark.parametrize("suffix", TABLES)
def test_a_folder_is_read_file_by_file_in_the_order_of_names(suffix: str, tmp_path: Path) -> None:
    for name, row in zip("cab", ROWS, strict=True):
        write(tmp_path / f"{name}{suffix}", rows=[row])
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / f".hidden{suffix}").touch()
    (tmp_path / "README.md").touch()
    table = read_file("file", str(tmp_path))
    assert table.frame.to_dict("records") == [ROWS[1], ROWS[2], ROWS[0]]
    assert table.frame.index.tolist() == [0, 1, 2]


def test_shards_may_differ_in_packing_encoding_and_order_of_columns(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "cp949")
    write(tmp_path / "b.csv.gz", "utf-8-sig")
    (tmp_path / "c.csv").write_text("label,text\nx,y\n")
    table = read_file("file", str(tmp_path))
    assert table.frame.to_dict("records") == [*ROWS, *ROWS, {"text": "y", "label": "x"}]
    assert (table.encoding, table.bom) == ("cp949, utf-8", True)


def test_shards_of_two_formats_or_with_other_columns_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text("text,topic\na,x\n")
    assert "all files must have the same columns, got a.csv and b.csv, which differ in label, topic" in refusal(
        tmp_path
    )
    write(tmp_path / "a.parquet")
    assert "must be a folder with files of one format, got .csv, .parquet in" in refusal(tmp_path)

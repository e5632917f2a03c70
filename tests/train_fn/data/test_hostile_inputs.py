"""Whatever the data are, they are prepared, or refused in one line that says what was found and what to do."""

import gzip
import io
import json
import os
import struct
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from train_fn.data import ImageDataConfig, TableDataConfig, TextDataConfig, decoding, delimited, prepare, tables
from train_fn.data.config import DataConfig

ROWS = "".join(f"text number {row},{'xy'[row % 2]}\n" for row in range(20))
CSV = f"text,label\n{ROWS}"
OBJECTS = [{"text": f"text number {row}", "label": "xy"[row % 2]} for row in range(20)]
JSONL = "".join(f"{json.dumps(row)}\n" for row in OBJECTS)
PNG = b"\x89PNG\r\n\x1a\n"
KOREAN = CSV.replace("text number", "날씨가 어때")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory, from which modules can be imported and then forgotten."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(sys, "path", list(sys.path))
    sys.modules.pop("my_rows", None)
    yield tmp_path / "here"
    sys.modules.pop("my_rows", None)


def check_refused(kind: type[DataConfig], fields: Mapping[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as error:
        prepare(kind(cache="../cache", **fields))
    assert message in str(error.value)
    assert "\n" not in str(error.value) and len(str(error.value)) < 600
    assert list(Path("../cache").glob("*/*")) == []


# Files of rows: name, content, settings beside the file, what is said.

FILES: dict[str, tuple[str, bytes | str, Mapping[str, Any], str]] = {
    # what is no CSV
    "semicolons": ("a.csv", CSV.replace(",", ";"), {}, "must stand apart by a comma, looks like a semicolon; write it"),
    "semicolons and commas": ("a.csv", "text;label\na, b;x\n", {}, "looks like a semicolon; write it with a comma"),
    "tabs": ("a.csv", CSV.replace(",", "\t"), {}, "must stand apart by a comma, looks like a tab; name it .tsv"),
    "bars": ("a.csv", CSV.replace(",", "|"), {}, "looks like a bar"),
    "commas in a TSV": ("a.tsv", CSV, {}, "must stand apart by a tab, looks like a comma"),
    "PNG": ("a.csv", PNG + bytes(99), {}, "must be text, looks like a PNG image"),
    "JPEG": ("a.tsv", b"\xff\xd8\xff\xe0" + bytes(99), {}, "must be text, looks like a JPEG image"),
    "Excel": ("a.csv", b"PK\x03\x04" + bytes(99), {}, "must be text, looks like an Excel file"),
    "PDF": ("a.jsonl", b"%PDF-1.7\n%\xe2\xe3", {}, "must be text, looks like a PDF"),
    "gzip": ("a.csv", gzip.compress(CSV.encode()), {}, "must be text, looks like a gzip file"),
    "binary": ("a.csv", bytes(range(256)) * 9, {}, "must be text, got NUL bytes"),
    "bytes without NUL": ("a.csv", bytes(range(250, 128, -1)) * 9, {}, "must be in UTF-8 or CP949, reads as neither"),
    "another suffix": ("a.xlsx", b"PK\x03\x04", {}, "`file` must end in one of .csv, .csv.gz"),
    "no suffix": ("rows", CSV, {}, "`file` must end in one of"),
    # rows
    "a field too many": ("a.csv", CSV + "a,b,x\n", {}, "line 22 must have 2 fields as the header has, got 3"),
    "a field too few": ("a.csv", CSV + "a\n", {}, "line 22 must have 2 fields as the header has, got 1"),
    "an unclosed quote": ("a.csv", CSV + '"a,x\n' + ROWS, {}, "line 22 must pair its quotes"),
    "a quote within quotes": ("a.csv", CSV + '"a "b" c",x\n', {}, "line 22 must pair its quotes"),
    "NUL bytes": ("a.csv", CSV + "a\0b,x\n", {}, "must be text, got NUL bytes"),
    "two columns of one name": ("a.csv", "text,label,label\n" + "a,x,y\n" * 9, {}, "got label twice; rename one"),
    "an empty file": ("a.csv", "", {}, "there must be rows to learn from, got none"),
    "an empty file of JSON": ("a.jsonl", "", {}, "there must be rows to learn from, got none"),
    "a header alone": ("a.csv", "text,label\n", {}, "there must be rows to learn from, got none"),
    "blank lines": ("a.csv", "\n\n  \n", {}, "there must be rows to learn from, got none"),
    "no header": ("a.csv", ROWS, {}, "columns are text number 0, x; set `text` to one of them, or add a header"),
    "no header, Korean": ("a.csv", KOREAN.split("\n", 1)[1], {}, "set `text` to one of them, or add a header"),
    # encodings
    "not the encoding named": (
        "a.csv",
        KOREAN.encode("cp949"),
        {"encoding": "utf-8"},
        "must be in utf-8, but does not",
    ),
    "a mark that contradicts": ("a.csv", CSV.encode("utf-16"), {"encoding": "cp949"}, "begins with the mark of utf-16"),
    "an unknown encoding": (
        "a.csv",
        CSV,
        {"encoding": "korean-ish"},
        "`encoding` must be auto or one that Python knows",
    ),
    "no encoding of text": ("a.csv", CSV, {"encoding": "zlib"}, "`encoding` must be auto or one that Python knows"),
    "UTF-16 without its mark": (
        "a.csv",
        CSV.encode("utf-16-le"),
        {},
        "looks like UTF-16 without its mark; set `encoding: utf-16-le`",
    ),
    "the other UTF-16": ("a.csv", CSV.encode("utf-16-be"), {}, "set `encoding: utf-16-be`"),
    "half a UTF-16": ("a.csv", CSV.encode("utf-16")[:-1], {}, "must be in utf-16, but does not read so"),
    "half a character": ("a.csv", CSV.encode() + "한".encode()[:2], {}, "reads as neither"),
    "Latin-1": (
        "a.csv",
        CSV.replace("text number", "déjà vu").encode("latin-1"),
        {},
        "name its `encoding`, such as cp1252",
    ),
    # gzip
    "gzip cut short": ("a.csv.gz", gzip.compress(CSV.encode())[:-12], {}, "Compressed file ended before"),
    "no gzip": ("a.csv.gz", CSV, {}, "Not a gzipped file"),
    "gzip with other bytes": (
        "a.jsonl.gz",
        gzip.compress(JSONL.encode())[:14] + bytes(range(99)),
        {},
        "`file` must hold what",
    ),
    "gzip with another sum": ("a.tsv.gz", gzip.compress(CSV.encode())[:-8] + bytes(8), {}, "CRC check failed"),
    # JSON Lines
    "a broken line": ("a.jsonl", JSONL + '{"text": \n', {}, "line 21 must be JSON, got Expecting value"),
    "a list": ("a.jsonl", JSONL + '["a", "x"]\n', {}, "got a list; name its fields"),
    "a number": ("a.jsonl", JSONL + "7\n", {}, "line 21 must be an object such as"),
    "a string": ("a.jsonl", '"a"\n', {}, "got a string"),
    "null": ("a.jsonl", "null\n", {}, "got null"),
    "one JSON for all rows": ("a.jsonl", json.dumps(OBJECTS, indent=1), {}, "line 1 must be JSON"),
    "lists without end": ("a.jsonl", "[" * 99_999, {}, "line 1 must be JSON, got maximum recursion depth"),
    "a number without end": ("a.jsonl", "9" * 9_999, {}, "line 1 must be JSON, got Exceeds the limit"),
    "half an emoji": (
        "a.jsonl",
        JSONL + '{"text": "\\ud83d", "label": "x"}\n',
        {},
        "must be valid Unicode, got half a character in data row 21",
    ),
    "half an emoji as a label": (
        "a.jsonl",
        JSONL + '{"text": "a", "label": "\\ud83d"}\n',
        {},
        "every label must be valid Unicode",
    ),
    "a text that is a list": (
        "a.jsonl",
        JSONL + '{"text": ["a"], "label": "x"}\n',
        {},
        "must name a column of texts, got a list in data row 21",
    ),
    # labels
    "labels of several kinds": (
        "a.jsonl",
        JSONL + '{"text": "a", "label": ["x"]}\n',
        {},
        "a label must be a string, a whole number or a bool, got ['x'] in data row 21",
    ),
    "a label of 0.5": ("a.jsonl", JSONL + '{"text": "a", "label": 0.5}\n', {}, "got 0.5 in data row 21"),
    "measurements as labels": (
        "a.csv",
        "text,label\n" + "a,0.5\nb,1.5\n" * 9,
        {},
        "got numbers such as 0.5; set `task: regression` in `data`",
    ),
    "no column of labels": (
        "a.csv",
        CSV.replace("label", "topic"),
        {},
        "`label` must name a column, got 'label'; columns are text, topic",
    ),
    "another column": ("a.csv", CSV, {"label": "lable"}, "did you mean 'label'?"),
    "labels all missing": (
        "a.csv",
        CSV.replace(",x", ",").replace(",y", ", "),
        {},
        "rows must be left after cleaning, got none of 20: label missing (20)",
    ),
    "texts all missing": ("a.csv", "text,label\n" + ",x\n ,y\n" * 9, {}, "text missing (18)"),
    "an index as the label": (
        "a.csv",
        "text,label\n" + "".join(f"text {i},id {i}\n" for i in range(99)),
        {},
        "labels must repeat, got a label of its own in every row, such as 'id 0'",
    ),
    "one class": ("a.csv", CSV.replace(",y", ",x"), {}, "two labels or more to tell apart, got only 'x'"),
    "conflicts alone": ("a.csv", "text,label\n" + "a,x\na,y\n" * 9, {}, "rows must be left after cleaning"),
    "words as numbers": ("a.csv", CSV, {"task": "regression"}, "labels must be numbers for regression, got 'x'"),
    "one number": (
        "a.csv",
        CSV.replace(",x", ",7").replace(",y", ",7"),
        {"task": "regression"},
        "two different labels or more",
    ),
    "endless numbers": (
        "a.csv",
        CSV.replace(",x", ",inf").replace(",y", ",-inf"),
        {"task": "regression"},
        "rows must be left after cleaning",
    ),
    "grades below zero": (
        "a.csv",
        "q,text,label\n" + "a,b,-1\nc,d,1\n" * 9,
        {"task": "ranking", "query": "q"},
        "must have a grade of 0 or more, got 9 without",
    ),
    "none of any label": (
        "a.jsonl",
        JSONL.replace('"x"', "[]").replace('"y"', "[]"),
        {"task": "multi_label"},
        "two labels or more to tell apart, got only none",
    ),
    # splitting
    "words that name no split": (
        "a.csv",
        "text,label,part\n" + "a,x,training\nb,y,test\n" * 9,
        {"split_column": "part"},
        "training",
    ),
    "a split column without train": (
        "a.csv",
        "text,label,part\n" + "".join(f"text {i},x,test\n" for i in range(9)),
        {"split_column": "part"},
        "train",
    ),
    "a missing column of groups": ("a.csv", CSV, {"group": "customer"}, "`group` must name a column, got 'customer'"),
    "one group": (
        "a.csv",
        "text,label,who\n" + "".join(f"text {i},{'xy'[i % 2]},me\n" for i in range(20)),
        {"group": "who"},
        "group",
    ),
    "times that are none": (
        "a.csv",
        "text,label,when\n" + "".join(f"text {i},{'xy'[i % 2]},soon\n" for i in range(20)),
        {"time": "when"},
        "'soon'",
    ),
    "too few rows": ("a.csv", "text,label\na,x\nb,x\nc,y\nd,y\n", {}, "3 rows of every label"),
    # templates
    "an attribute": (
        "a.csv",
        CSV,
        {"template": "{text.__class__}"},
        "must hold plain {column} fields, got {text.__class__}",
    ),
    "an index": ("a.csv", CSV, {"template": "{text[0]}"}, "must hold plain {column} fields, got {text[0]}"),
    "a conversion": ("a.csv", CSV, {"template": "{text!r}"}, "must hold plain {column} fields, got {text!r}"),
    "a width without end": (
        "a.csv",
        CSV,
        {"template": "{text:>999999999}"},
        "must format numbers as {height:.1f} does",
    ),
    "an unknown column": (
        "a.csv",
        CSV,
        {"template": "{txt}"},
        "`template` must name a column, got 'txt'; columns are text, label; did you mean 'text'?",
    ),
    "an open brace": ("a.csv", CSV, {"template": "{text"}, "`template` must pair its braces"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_hostile_file_is_refused_in_one_line(case: str, folder: Path) -> None:
    name, content, settings, message = FILES[case]
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    check_refused(TextDataConfig, {"file": name, **settings}, message)


# Everything else: a function that writes what is needed into the working directory and returns the config's fields.

Made = tuple[type[DataConfig], dict[str, Any]]


def written(name: str, content: str | bytes = CSV) -> str:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return name


def tree(*names: str, **contents: str) -> str:
    """A folder of such files; those called .png are images."""
    for name in names:
        written(name, PICTURE if name.endswith(".png") else contents.get(Path(name).stem, CSV))
    return Path(names[0]).parts[0]


def text(**fields: Any) -> Made:
    return TextDataConfig, fields


def image(**fields: Any) -> Made:
    return ImageDataConfig, fields


def columns(**fields: Any) -> Made:
    return TableDataConfig, fields


def picture(shade: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 4), (shade, 0, 0)).save(file, "PNG")
    return file.getvalue()


PICTURE = picture(0)


def bomb(side: int) -> bytes:
    """The header of a PNG of so many pixels squared, with hardly any data."""
    header = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(bytes(99))
    chunks = (struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in (header, data))
    return PNG + b"".join(chunks)


def listed(*paths: str) -> Made:
    """A list of images in the folder `list`."""
    for row in range(20):
        written(f"list/{row}.png", picture(row))
    rows = [f"{row}.png,{'xy'[row % 2]}" for row in range(20)] + [f"{path},x" for path in paths]
    return image(file=written("list/images.csv", "\n".join(["image,label", *rows])))


def linked(name: str, target: str) -> str:
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).symlink_to(target)
    return name


def pipe(name: str) -> str:
    os.mkfifo(name)
    return name


def within(path: str) -> str:
    """As its list names it."""
    return Path(path).name


def parquet(**columns: Any) -> str:
    pd.DataFrame(columns).to_parquet("rows.parquet")
    return "rows.parquet"


def twins() -> str:
    pyarrow.parquet.write_table(pyarrow.table([["a"], ["b"], ["x"]], names=["text", "text", "label"]), "rows.parquet")
    return "rows.parquet"


SOME = np.random.default_rng(0).integers(0, 256, size=(20, 4, 4, 3), dtype=np.uint8)
BOTH = np.arange(20) % 2


def arrays(**named: Any) -> Made:
    np.savez_compressed("images.npz", **named)
    return image(file="images.npz")


def function(body: str) -> Made:
    written("my_rows.py", body)
    return text(function="my_rows:rows")


def returned(value: str) -> Made:
    return function(f"def rows():\n    return {value}\n")


WORDS = {word: f"a text about {word}" for word in ("apples", "pears", "plums", "figs", "cherries", "grapes")}

OTHERS: dict[str, tuple[Callable[[], Made], str]] = {
    # paths
    "an absent file": (lambda: text(file="absent.csv"), "`file` must be a file, found none at"),
    "a link to nothing": (lambda: text(file=linked("a.csv", "nothing.csv")), "`file` must be a file, found none at"),
    "a link to itself": (lambda: text(file=linked("a.csv", "a.csv")), "Too many levels of symbolic links"),
    "a file below a file": (lambda: text(file=written("a.csv") + "/b.csv"), "`file` must be a file, found none at"),
    "NUL in a name": (lambda: text(file="a\0.csv"), "must be a file that can be read"),
    "a name without end": (lambda: text(file="a" * 300 + ".csv"), "File name too long"),
    "nobody's home": (lambda: text(file="~no-such-person-here/a.csv"), "must be a file that can be read"),
    "a pipe": (lambda: text(file=pipe("a.csv")), "found a pipe or a device at"),
    "a device": (lambda: text(file="/dev/zero"), "found a pipe or a device at"),
    "a link to a device": (lambda: text(file=linked("a.csv", "/dev/zero")), "found a pipe or a device at"),
    "a pipe as the test": (
        lambda: text(train=written("a.csv"), test=pipe("b.csv")),
        "`test` must be a file, found a pipe",
    ),
    "an empty folder": (lambda: text(file="."), "a folder of images or texts goes into `folder`"),
    "a folder of folders": (lambda: text(file=tree("a.csv/b/c.csv")), "found none in"),
    "two formats": (lambda: text(file=tree("a/b.csv", "a/c.tsv")), "with files of one format, got .csv, .tsv"),
    "shards with other columns": (
        lambda: text(file=tree("a/b.csv", "a/c.csv", c="text,topic\na,b\n")),
        "all files must have the same columns, got b.csv and c.csv, which differ in label, topic",
    ),
    # Parquet
    "broken Parquet": (
        lambda: text(file=written("a.parquet", b"PAR1 and no more")),
        "`file` must hold what its suffix",
    ),
    "empty Parquet": (lambda: text(file=written("a.parquet", b"")), "`file` must hold what its suffix"),
    "nested texts": (lambda: text(file=parquet(text=[["a"], ["b"]], label=["x", "y"])), "got a ndarray in data row 1"),
    "bytes as texts": (lambda: text(file=parquet(text=[b"a"], label=["x"])), "got a bytes in data row 1"),
    "records as labels": (
        lambda: text(file=parquet(text=["a"], label=[{"x": 1}])),
        "a label must be a string, a whole number or a bool, got {'x': 1}",
    ),
    "Parquet with twins": (lambda: text(file=twins()), "got text twice; rename one"),
    # splits
    "a label that train lacks": (
        lambda: text(train=written("a.csv"), valid=written("b.csv", CSV.replace(",y", ",z").replace("number", ""))),
        "the valid split must have labels that train has, got 'z'",
    ),
    "a valid split without rows": (
        lambda: text(train=written("a.csv"), valid=written("b.csv", "text,label\n")),
        "b.csv: there must be rows to learn from",
    ),
    "rows without the input": (
        lambda: text(file=written("a.csv"), unlabelled=written("b.csv", "body\nsome words\n")),
        "b.csv: `text` must name a column, got 'text'; columns are body",
    ),
    "a column that valid lacks": (
        lambda: columns(
            train=written("a.csv", "a,b,label\n1,2,x\n3,4,y\n5,6,y\n"), valid=written("b.csv", "a,label\n1,x\n")
        ),
        "valid must have the columns that train has, got no 'b'",
    ),
    "a column of two kinds": (
        lambda: columns(train=written("a.csv", "a,label\n1,x\n3,y\n5,y\n"), valid=written("b.csv", "a,label\nn/a,x\n")),
        "the column 'a' must be of one kind, got numbers in train and words in valid",
    ),
    "a label and no columns": (
        lambda: columns(file=written("a.csv", "label\n" + "x\ny\n" * 9)),
        "there must be columns to learn from, got 'label' alone",
    ),
    "columns that all are missing": (
        lambda: columns(file=written("a.csv", "a,b,label\n" + ",,x\n,,y\n" * 9)),
        "all columns missing (18)",
    ),
    # lists of images
    "a path up and out": (lambda: listed("../../etc/passwd"), "got '../../etc/passwd' in data row 21; move them there"),
    "a path from the root": (
        lambda: listed("/etc/passwd"),
        "images must lie in the folder of their list, got '/etc/pa",
    ),
    "a folder of nearly that name": (
        lambda: listed("0.png", "../list-2/0.png"),
        "got '../list-2/0.png' in data row 22",
    ),
    "a link out": (lambda: listed(within(linked("list/a.png", "/etc/passwd"))), "got 'a.png' in data row 21"),
    "a folder that links out": (
        lambda: listed(within(linked("list/all", "/etc")) + "/passwd"),
        "got 'all/passwd' in data row 21",
    ),
    "NUL in a path": (
        lambda: image(file=written("a.jsonl", '{"image": "a\\u0000.png", "label": "x"}\n')),
        "images must lie in the folder of their list",
    ),
    "a large image": (
        lambda: listed(within(written("list/a.png", bomb(10_000)))),
        "images must have at most 67,108,864 pixels, got more in data row 21",
    ),
    "an enormous image": (lambda: listed(within(written("list/a.png", bomb(100_000)))), "at most 67,108,864 pixels"),
    "images that are absent": (
        lambda: image(file=written("a.csv", "image,label\n" + "a.png,x\nb.png,y\n" * 9)),
        "image missing or unreadable (18)",
    ),
    "texts for images": (
        lambda: image(file=written("a.csv")),
        "`image` must name a column, got 'image'; columns are text",
    ),
    # folders
    "no folder": (lambda: image(folder="absent"), "`folder` must be a folder, found none at"),
    "a file for a folder": (lambda: image(folder=written("a.csv")), "`folder` must be a folder, found none at"),
    "nobody's folder": (lambda: image(folder="~no-such-person-here/a"), "must be a folder that can be read"),
    "a folder without files": (lambda: image(folder="."), "must hold files as label/file, found none"),
    "labels without files": (lambda: image(folder=tree("a/x/.hidden")), "must hold files as label/file, found none"),
    "one label": (
        lambda: text(folder=tree(*(f"a/x/{word}.txt" for word in WORDS), **WORDS)),
        "two labels or more to tell apart, got only 'x'",
    ),
    "images among texts": (lambda: text(folder=tree("a/x/b.txt", "a/y/c.png")), "must end in one of .txt, got y/c.png"),
    "texts among images": (lambda: image(folder=tree("a/x/b.png", "a/y/c.txt")), "got y/c.txt; move it elsewhere"),
    "images beside the labels": (lambda: image(folder=tree("a/b.png", "a/x/c.png")), "named by their label, got b.png"),
    "splits beside labels": (
        lambda: image(folder=tree("a/train/x/b.png", "a/y/c.png")),
        "must hold train, valid and test, or labels alone, got train, y",
    ),
    "a test alone": (lambda: image(folder=tree("a/test/x/b.png")), "valid and test, or labels alone, got test"),
    "a link out of the folder": (
        lambda: text(folder=linked(f"{tree('a/x/c.txt')}/x/b.txt", "/etc/passwd").split("/")[0]),
        "got a link out of it: x/b.txt",
    ),
    "a label that links out of the folder": (
        lambda: image(folder=linked("a/y", str(Path(tree("far/c.png")).absolute())).split("/")[0]),
        "got a link out of it: y/c.png",
    ),
    "a split that links out of the folder": (
        lambda: image(folder=linked(f"{tree('a/test/x/b.png')}/train", str(Path(tree("far/x/c.png")).absolute()))[:1]),
        "got a link out of it: x/c.png",
    ),
    "binary texts": (lambda: text(folder=tree("a/x/b.txt", b="\0" * 99)), "must be text, got NUL bytes"),
    "columns in folders": (lambda: columns(folder="a"), "`folder` must hold images or texts, got a config of columns"),
    # arrays
    "pickled images": (lambda: arrays(x=np.array([{}, {}], dtype=object), y=[0, 1]), "Object arrays cannot be loaded"),
    "pickled labels": (
        lambda: arrays(x=SOME, y=np.array(["a", 1] * 10, dtype=object)),
        "Object arrays cannot be loaded",
    ),
    "a pickle": (lambda: image(file=written("a.npz", b"\x80\x04\x95")), "`file` must hold what its suffix .npz says"),
    "fewer labels than images": (
        lambda: arrays(x=SOME, y=np.arange(19)),
        "must hold a label for each of the 20 images of x, got shape (19,)",
    ),
    "images of numbers": (lambda: arrays(x=SOME / 255, y=BOTH), "(uint8), got float64; scale it to 0..255"),
    "channels first": (lambda: arrays(x=SOME.transpose(0, 3, 1, 2), y=BOTH), "got (20, 3, 4, 4); move its axes"),
    "images without pixels": (lambda: arrays(x=SOME[:, :0], y=BOTH), "got (20, 0, 4, 3)"),
    "no images at all": (lambda: arrays(x=SOME[:0], y=BOTH[:0]), "there must be rows to learn from"),
    "arrays of other names": (
        lambda: arrays(images=SOME, labels=BOTH),
        "must hold x and y, or x_train and y_train, got images, labels",
    ),
    "test arrays alone": (lambda: arrays(x_test=SOME, y_test=BOTH), "x_train and y_train, got x_test, y_test"),
    "images without labels": (
        lambda: arrays(x_train=SOME),
        "`label` must name a column, got 'label'; columns are image",
    ),
    "splits as one of them": (lambda: image(train=arrays(x_train=SOME, y_train=BOTH)[1]["file"]), "give it as `file`"),
    "arrays cut short": (
        lambda: image(file=written("a.npz", Path(arrays(x=SOME, y=BOTH)[1]["file"]).read_bytes()[:-60])),
        "`file` must hold what its suffix .npz says",
    ),
    "arrays for texts": (
        lambda: text(**arrays(x=SOME, y=BOTH)[1]),
        "`text` must name a column, got 'text'; columns are image",
    ),
    # functions
    "no dotted name": (lambda: text(function="rows"), "`function` must read module:function, got 'rows'"),
    "no such module": (lambda: text(function="my_absent_module:rows"), "found no 'my_absent_module' from"),
    "no such package": (lambda: text(function="my_absent.module:rows"), "No module named 'my_absent'"),
    "a path for a module": (lambda: text(function="../my_rows:rows"), "`function` must"),
    "no such function": (lambda: function(""), "`function` must name a function, but 'my_rows' has no such 'rows'"),
    "a module that fails": (lambda: function("1 / 0\n"), "ZeroDivisionError: division by zero"),
    "a module that cannot be parsed": (lambda: function("def rows(:\n"), "SyntaxError"),
    "a function that fails": (
        lambda: returned("1 / 0"),
        "but my_rows:rows raised ZeroDivisionError: division by zero (my_rows.py:2)",
    ),
    "a function that exits": (lambda: returned("exit()"), "but my_rows:rows raised SystemExit"),
    "a function with arguments": (lambda: function("def rows(path): ...\n"), "missing 1 required positional argument"),
    "nothing returned": (lambda: returned("None"), "got a NoneType from my_rows:rows"),
    "a generator": (lambda: returned("(row for row in [])"), "got a generator from my_rows:rows"),
    "a list of strings": (lambda: returned("['a', 'b']"), "got a list with a str from my_rows:rows"),
    "columns of several lengths": (
        lambda: returned("{'text': ['a'], 'label': ['x', 'y']}"),
        "return columns of one length",
    ),
    "a record": (lambda: returned("{'text': 'a', 'label': 'x'}"), "got what is no table from my_rows:rows"),
    "no rows": (lambda: returned("[]"), "there must be rows to learn from, got none"),
    "splits without rows": (lambda: returned("{'train': []}"), "there must be rows to learn from, got none"),
    # data sets
    "a name up and out": (lambda: text(source="../../etc"), "`source` must be docstrings"),
    "an address": (lambda: text(source="https://example.com/rows"), "Repo id must"),
    "a folder that was not saved": (lambda: text(source=tree("a/b.csv")), "not written by save_to_disk"),
    "a saved set that is broken": (
        lambda: text(source=tree("a/state.json", "a/dataset_info.json", state="{", dataset_info="{}")),
        "`source` must be docstrings, a folder of save_to_disk or a hub data set, got a:",
    ),
    "a saved set without files": (
        lambda: text(source=tree("a/dataset_dict.json", dataset_dict='{"splits": ["train"]}')),
        "`source` must be docstrings, a folder of save_to_disk or a hub data set, got a:",
    ),
    "columns for texts": (lambda: text(source="iris"), "must name a column, got 'text'; columns are sepal_length_(cm)"),
    # settings
    "two sources": (lambda: text(file="a.csv", source="iris"), "exactly one must be given, got `source` and `file`"),
    "one column for two": (lambda: text(file="a.csv", text="label"), "must be two columns, got 'label' for both"),
    "one string for columns": (lambda: columns(file="a.csv", columns="text"), "`columns` must be a list"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_any_other_hostile_input_is_refused_in_one_line(case: str, folder: Path) -> None:
    made, message = OTHERS[case]
    check_refused(*made(), message)


def test_there_are_sixty_hostile_inputs_and_more() -> None:
    assert len(FILES) + len(OTHERS) > 60


# What needs a limit that a test can reach, or an accident at the right moment.


@pytest.fixture
def refused(folder: Path) -> Callable[..., None]:
    def check(message: str, **fields: Any) -> None:
        check_refused(TextDataConfig, fields, message)

    return check


def test_two_gigabytes_without_a_line_end_are_not_read(refused: Callable[..., None]) -> None:
    with open("a.csv", "wb") as file:
        file.write(b"text,label\n")
        file.truncate(2**31)  # a hole on the disk
    refused("must be text, got NUL bytes", file="a.csv")


def test_a_line_beyond_the_limit_is_refused_before_it_is_read(
    refused: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "CHUNK", 2**10)
    monkeypatch.setattr(decoding, "LONGEST_LINE", 2**12)
    refused("a line must have at most 0.00390625 MiB", file=written("a.csv", CSV + "a" * 2**14 + ",x\n"))


def test_a_field_of_many_lines_has_the_same_limit(
    refused: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delimited, "LONGEST_LINE", 2**12)
    refused("line 22 must pair its quotes, got field larger than", file=written("a.csv", CSV + '"' + "a\n" * 2**14))


def test_a_small_file_that_expands_without_end_is_refused(
    refused: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = gzip.compress(CSV.encode() + b"the same text over and over,x\n" * 99_999)
    refused_size = len(packed) * decoding.EXPANSION
    assert refused_size < 30 * 99_999
    monkeypatch.setattr(decoding, "EXPANDED", refused_size - 1)
    refused("must expand to at most 200 times its size", file=written("a.csv.gz", packed))


def test_a_parquet_file_of_one_value_over_and_over_is_refused(
    refused: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "EXPANDED", 2**20)
    refused("must expand to at most 200 times", file=parquet(text=["a"] * 10**6, label="x"))


def test_arrays_of_zeros_without_end_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "EXPANDED", 2**20)
    check_refused(*arrays(x=np.zeros((99, 200, 200, 3), np.uint8), y=np.arange(99)), "must expand to at most 200 times")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("mode", [0o000, 0o200])
def test_a_file_that_may_not_be_read_is_refused(mode: int, refused: Callable[..., None]) -> None:
    written("a.csv")
    os.chmod("a.csv", mode)
    refused("Permission denied", file="a.csv")


def test_a_file_that_vanishes_is_refused(refused: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    read = tables.read_file

    def vanishing(name: str, path: str, encoding: str) -> Any:
        Path(path).unlink()
        return read(name, path, encoding)

    monkeypatch.setattr(tables, "read_file", vanishing)
    refused("`file` must be a file, found none at", file=written("a.csv"))


def test_a_file_that_vanishes_while_it_is_read_is_refused(
    refused: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    find = decoding.find_encoding

    def vanishing(path: Path, wanted: str) -> Any:
        found = find(path, wanted)
        path.unlink()
        return found

    monkeypatch.setattr("train_fn.data.files.find_encoding", vanishing)
    refused("No such file or directory", file=written("a.csv"))


def test_a_pipe_in_a_list_of_images_is_no_image(folder: Path) -> None:
    kind, fields = listed("pipe.png")
    pipe("list/pipe.png")
    assert sum(prepare(kind(cache="../cache", **fields)).rows.values()) == 20

"""A data file of any size, a part at a time: what is read is what `read_file` would read, but never all at once."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from train_fn.data.decoding import find_encoding, open_text
from train_fn.data.delimited import delimited_rows, of_columns
from train_fn.data.files import READERS, files_of, read_part, suffix_of, told_in_one_line
from train_fn.data.json_lines import parse_line
from train_fn.data.parquet import without_index
from train_fn.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

Part = tuple["pd.DataFrame", float]  # rows, and the share of all bytes that is read when they are


def rows_of(name: str, path: str, count: int) -> Iterator[Part]:
    """Tables of at most `count` rows, of the file or folder of files at `path`. DataError on what it cannot read."""
    files = files_of(name, path)
    whole, before = sum(file.stat().st_size for file in files) or 1, 0
    columns: list[str] = []
    for file in files:
        size = file.stat().st_size
        with told_in_one_line(name, file):
            for frame, share in _parts(name, file, count):
                frame.columns = frame.columns.map(str)
                columns = columns or [*frame.columns]
                if missing := sorted(set(columns) - set(frame.columns)):
                    raise DataError(
                        f"{file}: all parts must have the same columns, got one without {missing[0]!r}; add it"
                    )
                yield frame, (before + share * size) / whole
        before += size


def _parts(name: str, file: Path, count: int) -> Iterator[Part]:
    suffix = suffix_of(name, file).removesuffix(".gz")
    if suffix == ".parquet":
        yield from _of_parquet(file, count)
    elif suffix in READERS:
        yield read_part(name, file, "auto").frame, 1.0  # an archive of arrays is read as a whole
    else:
        encoding, _ = find_encoding(file, "auto")
        with open_text(file, encoding) as lines:
            for frame in _of_json(lines, file, count) if suffix == ".jsonl" else _of_lines(lines, file, suffix, count):
                yield frame, _position(lines) / (file.stat().st_size or 1)


def _of_lines(lines: IO[str], file: Path, suffix: str, count: int) -> Iterator["pd.DataFrame"]:
    rows = delimited_rows(lines, {".csv": ",", ".tsv": "\t"}[suffix], file)
    header = next(rows)
    while part := [*islice(rows, count)]:
        yield of_columns(header, map(list, zip(*part, strict=True)))


def _of_json(lines: IO[str], file: Path, count: int) -> Iterator["pd.DataFrame"]:
    import pandas as pd

    numbered = ((number, line) for number, line in enumerate(lines, start=1) if line.strip())
    while part := [parse_line(line, number, file) for number, line in islice(numbered, count)]:
        yield pd.DataFrame(part, dtype=object)


def _of_parquet(file: Path, count: int) -> Iterator[Part]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(file) as parquet:
        done, rows = 0, parquet.metadata.num_rows or 1
        for batch in parquet.iter_batches(batch_size=count):
            done += batch.num_rows
            yield without_index(batch.to_pandas()), done / rows


def _position(lines: Any) -> int:
    """Bytes of the file, as it lies on the disk, that have been read."""
    buffer = lines.buffer
    return int(getattr(buffer, "fileobj", buffer).tell())

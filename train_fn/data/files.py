"""Which formats a data file may have, and which files a path stands for."""

import csv
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from train_fn.data.arrays import read_array_table, read_arrays
from train_fn.data.decoding import find_encoding
from train_fn.data.delimited import read_delimited
from train_fn.data.json_lines import read_json_lines
from train_fn.data.parquet import read_parquet
from train_fn.data.table import Table
from train_fn.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

TEXT_READERS: dict[str, Callable[[Path, str], "pd.DataFrame"]] = {
    ".csv": partial(read_delimited, delimiter=","),
    ".csv.gz": partial(read_delimited, delimiter=","),
    ".tsv": partial(read_delimited, delimiter="\t"),
    ".tsv.gz": partial(read_delimited, delimiter="\t"),
    ".jsonl": read_json_lines,
    ".jsonl.gz": read_json_lines,
}
ARRAYS = ".npz"
READERS: dict[str, Callable[[Path], "pd.DataFrame"]] = {".parquet": read_parquet, ARRAYS: read_array_table}
SUFFIXES = (*TEXT_READERS, *READERS)


def read_file(name: str, path: str, encoding: str = "auto") -> Table:
    """The table in the file, or in the folder of such files, that the config's field `name` points to.

    The suffix says the format. Raises DataError where a file is not what its suffix says.
    """
    import pandas as pd

    files = files_of(name, path)
    parts = [read_part(name, file, encoding) for file in files]
    first = parts[0].frame
    for part, file in zip(parts, files, strict=True):
        if set(part.frame.columns) != set(first.columns):
            differing = ", ".join(sorted(map(str, set(part.frame.columns) ^ set(first.columns))))
            raise DataError(
                f"{path}: all files must have the same columns, got {files[0].name} and {file.name}, which differ in "
                f"{differing}; correct the one that is wrong"
            )
    frame = first if len(parts) == 1 else pd.concat([part.frame[first.columns] for part in parts], ignore_index=True)
    encodings = sorted({part.encoding for part in parts if part.encoding})
    return Table(frame=frame, place=path, encoding=", ".join(encodings) or None, bom=any(part.bom for part in parts))


def read_part(name: str, file: Path, encoding: str) -> Table:
    suffix = suffix_of(name, file)
    found, bom = None, False
    with told_in_one_line(name, file):
        if suffix in READERS:
            frame = READERS[suffix](file)
        else:
            found, bom = find_encoding(file, encoding)
            frame = TEXT_READERS[suffix](file, found)
    frame.columns = frame.columns.map(str)
    twice = sorted(set(frame.columns[frame.columns.duplicated()]))
    if twice:
        raise DataError(f"{file}: columns must have names of their own, got {', '.join(twice)} twice; rename one")
    return Table(frame=frame, place=str(file), encoding=found, bom=bom)


def read_array_file(name: str, path: str) -> dict[str, Table]:
    """Split, or "all" -> table of images, of a NumPy archive that may bring its own splits."""
    [file] = files_of(name, path)
    with told_in_one_line(name, file):
        frames = read_arrays(file)
    places = {split: path if split == "all" else f"{split} split of {path}" for split in frames}
    return {split: Table(frame=frame, place=places[split]) for split, frame in frames.items()}


@contextmanager
def told_in_one_line(name: str, file: Path) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except UNREADABLE as error:
        reason = " ".join(str(error).split())  # parsers break lines in their messages
        suffix = suffix_of(name, file)
        raise DataError(
            f"`{name}` must hold what its suffix {suffix} says, got {file}: {reason}; write it anew"
        ) from error


UNREADABLE = (ValueError, OSError, EOFError, MemoryError, zlib.error, zipfile.BadZipFile, csv.Error)


def files_of(name: str, path: str) -> list[Path]:
    """The file that the config's field `name` points to, or the files of one format in the folder, in name order."""
    try:
        absolute = Path(path).expanduser().absolute()
        mode = absolute.stat().st_mode
        found = sorted(absolute.iterdir()) if stat.S_ISDIR(mode) else [absolute]
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"`{name}` must be a file, found none at {absolute}; correct the path") from None
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"`{name}` must be a file that can be read, got {path}: {reason}; correct the path") from None
    if stat.S_ISREG(mode):
        return found
    if not stat.S_ISDIR(mode):
        raise DataError(f"`{name}` must be a file, found a pipe or a device at {absolute}; save it as a file first")
    shards = [
        file for file in found if file.is_file() and file.name.lower().endswith(SUFFIXES) and file.name[0] not in "._"
    ]
    formats = {suffix_of(name, file).removesuffix(".gz") for file in shards}
    if not shards:
        raise DataError(
            f"`{name}` must be a file or a folder with files that end in one of {', '.join(SUFFIXES)}, found none in "
            f"{absolute}; a folder of images or texts goes into `folder`"
        )
    if len(formats) > 1:
        raise DataError(
            f"`{name}` must be a folder with files of one format, got {', '.join(sorted(formats))} in {absolute}; "
            "name one file, or move the others"
        )
    return shards


def suffix_of(name: str, file: Path) -> str:
    suffix = next((suffix for suffix in SUFFIXES if file.name.lower().endswith(suffix)), None)
    if suffix is None:
        raise DataError(f"`{name}` must end in one of {', '.join(SUFFIXES)}, got {file}; convert it to one of these")
    return suffix

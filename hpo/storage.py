"""Checkpoints in a place that every machine of a cluster reaches, by its URL: a bucket, or a shared folder.

pyarrow speaks s3://, gs://, abfs://, hdfs:// and file://, and through `fsspec+PROTOCOL://` whatever fsspec does. Who
asks is known by the machine (its role, its environment, ~/.aws), never by the URL. A checkpoint is there when its
manifest is: that is written last and deleted first. On a shared folder it is as durable as a closed file is there.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from hpo.errors import DiskError
from train_fn.checkpoint import MANIFEST, CheckpointError, files_below, listed, verify

WITHOUT_FOLDERS = ("s3", "gcs")  # where they would be empty objects, each asked for and written


class StorageError(OSError):
    """The place cannot be reached, or refuses: the machine or the network is at fault, not the trainable."""


@contextmanager
def naming_storage(way_out: str) -> Iterator[None]:
    """A StorageError within ends in a DiskError."""
    try:
        yield
    except StorageError as error:
        raise DiskError(f"{error}; mend that, then {way_out}") from error


def put(folder: Path, url: str) -> None:
    """Copy a committed checkpoint; what a broken attempt left there is written over."""
    with _spoken(url) as (system, place):
        names = [path.relative_to(folder).as_posix() for path in files_below(folder)]
        for name in [*(name for name in names if name != MANIFEST), MANIFEST]:
            if system.type_name not in WITHOUT_FOLDERS:
                system.create_dir(f"{place}/{name}".rpartition("/")[0], recursive=True)
            with (folder / name).open("rb") as source, system.open_output_stream(f"{place}/{name}") as target:
                shutil.copyfileobj(source, target, 2**22)


def fetch(url: str, folder: Path) -> None:
    """Copy a checkpoint here and look at every byte. CheckpointError where it is not as it was written: it is deleted
    then, so that the next attempt takes an older one."""
    files = _manifest(url)
    with _spoken(url) as (system, place):
        for name in [*files, MANIFEST]:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            try:
                with system.open_input_stream(f"{place}/{name}") as source, (folder / name).open("wb") as target:
                    shutil.copyfileobj(source, target, 2**22)
            except FileNotFoundError:
                continue  # `verify` names it
    try:
        verify(folder)
    except CheckpointError as error:
        discard(url)
        raise CheckpointError(str(error).replace(str(folder), url)) from None


def size(url: str) -> int:
    """Bytes of its files, none of which is read; a CheckpointError unless each is there and as long as it was."""
    files = _manifest(url)
    with _spoken(url) as (system, place):
        found = system.get_file_info([f"{place}/{name}" for name in files])
    for (name, expected), there in zip(files.items(), found, strict=True):
        if there.size != expected["bytes"]:
            raise CheckpointError(f"a checkpoint must be whole, got another or no {name} in {url}; use an older one")
    return sum(file["bytes"] for file in files.values())


def discard(url: str) -> None:
    """Delete a checkpoint, what is left of one, or a folder of them; nothing where there is none."""
    with _spoken(url) as (system, place):
        for gone in (lambda: system.delete_file(f"{place}/{MANIFEST}"), lambda: system.delete_dir(place)):
            try:
                gone()
            except FileNotFoundError:
                continue


def names(url: str) -> list[str]:
    """Of what lies directly below."""
    from pyarrow.fs import FileSelector

    with _spoken(url) as (system, place):
        return sorted(one.base_name for one in system.get_file_info(FileSelector(place, allow_not_found=True)))


def folders(url: str) -> set[str]:
    """Every folder anywhere below that holds a file, relative to it."""
    from pyarrow.fs import FileSelector, FileType

    with _spoken(url) as (system, place):
        below = system.get_file_info(FileSelector(place, allow_not_found=True, recursive=True))
    files = [one.path[len(place.rstrip("/")) + 1 :] for one in below if one.type == FileType.File]
    return {file.rpartition("/")[0] for file in files}


def _manifest(url: str) -> dict[str, dict[str, Any]]:
    with _spoken(url) as (system, place):
        try:
            with system.open_input_stream(f"{place}/{MANIFEST}") as file:
                return listed(file.read(), url)
        except FileNotFoundError:
            raise CheckpointError(f"a checkpoint must hold {MANIFEST}, got none in {url}; use an older one") from None


@contextmanager
def _spoken(url: str) -> Iterator[tuple[Any, str]]:
    """The file system and the path in it; StorageError where it does not answer as it should."""
    try:
        yield _resolved(url)
    except (FileNotFoundError, CheckpointError, StorageError):
        raise
    except (OSError, ImportError, ValueError) as error:
        raise StorageError(f"{url} cannot be used: {' '.join(str(error).split())}") from error


def _resolved(url: str) -> tuple[Any, str]:
    root, separator, rest = url.partition("://")
    bucket, _, path = rest.partition("/")
    system, place = _system(f"{root}{separator}{bucket}" if separator and bucket else url)
    return (system, f"{place.rstrip('/')}/{path}") if separator and bucket else (system, place)


@lru_cache(maxsize=64)
def _system(url: str) -> tuple[Any, str]:
    """One connection for all checkpoints of a bucket."""
    from pyarrow.fs import FileSystem

    system, place = FileSystem.from_uri(url)
    return system, str(place)

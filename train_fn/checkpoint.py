"""How a checkpoint folder comes to be there whole or not at all."""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

MANIFEST = "manifest.json"


class CheckpointError(ValueError):
    """The folder is no whole checkpoint; the message is one line."""


def commit(folder: Path, save: Callable[[Path], None]) -> None:
    """Let `save` fill a new folder, and give it its name only when every byte is on the disk.

    A crash at any point leaves no `folder`, at most a sibling that ends in `.tmp`. An error of the disk is raised
    and never tried again: after a failed fsync the kernel may call lost pages clean.
    """
    make_durable_folder(folder.parent)
    temporary = folder.with_name(f"{folder.name}.{uuid.uuid4().hex}.tmp")
    temporary.mkdir()
    try:
        save(temporary)
        files = {path.relative_to(temporary).as_posix(): seal(path) for path in files_below(temporary)}
        write_manifest(temporary, files)  # last: a folder without it was never finished
        for path in [temporary, *temporary.rglob("*")]:
            if path.is_dir():
                sync(path)
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync(folder.parent)


def verify(folder: Path) -> None:
    """Raise a CheckpointError unless each file is byte for byte the one that was committed."""
    try:
        files = json.loads((folder / MANIFEST).read_bytes())["files"]
    except (FileNotFoundError, NotADirectoryError):
        raise CheckpointError(f"a checkpoint must hold {MANIFEST}, got none in {folder}; use an older one") from None
    except (ValueError, KeyError, TypeError):
        raise CheckpointError(f"{MANIFEST} must be readable, got damaged JSON in {folder}; use an older one") from None
    for name, expected in files.items():
        path = folder / name
        if not path.is_file():
            raise CheckpointError(f"a checkpoint must be whole, got no {name} in {folder}; use an older one")
        if path.stat().st_size != expected["bytes"] or digest(path) != expected["sha256"]:
            raise CheckpointError(f"a checkpoint must be unchanged, got another {name} in {folder}; use an older one")


def files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def seal(path: Path) -> dict[str, int | str]:
    sync(path)
    return {"bytes": path.stat().st_size, "sha256": digest(path)}


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Path, files: dict[str, dict[str, int | str]]) -> None:
    path = folder / MANIFEST
    path.write_text(json.dumps({"files": files}, indent=1) + "\n", encoding="utf-8")
    sync(path)


def make_durable_folder(folder: Path) -> None:
    missing = [path for path in [folder, *folder.parents] if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        sync(path.parent)


def sync(path: Path) -> None:
    """Force a file's bytes, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

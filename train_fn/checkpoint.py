"""How a checkpoint folder comes to be there whole or not at all."""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
        seal_all(temporary)  # last: a folder without its manifest was never finished
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
    size(folder)
    for name, expected in manifest(folder).items():
        if digest(folder / name) != expected["sha256"]:
            raise CheckpointError(f"a checkpoint must be unchanged, got another {name} in {folder}; use an older one")


def size(folder: Path) -> int:
    """Bytes of its files, none of which is read; a CheckpointError unless each is there and as long as it was."""
    files = manifest(folder)
    for name, expected in files.items():
        path = folder / name
        if not path.is_file():
            raise CheckpointError(f"a checkpoint must be whole, got no {name} in {folder}; use an older one")
        if path.stat().st_size != expected["bytes"]:
            raise CheckpointError(f"a checkpoint must be unchanged, got another {name} in {folder}; use an older one")
    return sum(file["bytes"] for file in files.values())


def discard(folder: Path) -> None:
    """Delete a checkpoint, or what is left of one; a crash in between leaves no folder of its name."""
    gone = folder.with_name(f"{folder.name}.{uuid.uuid4().hex}.tmp")
    try:
        folder.rename(gone)
    except OSError:  # there is none, or no room for a longer name
        gone = folder
    shutil.rmtree(gone, ignore_errors=True)


def copy(folder: Path, to: Path) -> None:
    """What was saved there, to be committed once more: as hard links, where the file system has them."""

    def link(source: str, target: str) -> None:
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)

    shutil.copytree(folder, to, ignore=lambda _, names: {MANIFEST} & set(names), copy_function=link, dirs_exist_ok=True)


def manifest(folder: Path) -> dict[str, dict[str, Any]]:
    """File below the folder -> `bytes` and `sha256`."""
    try:
        return listed((folder / MANIFEST).read_bytes(), folder)
    except (FileNotFoundError, NotADirectoryError):
        raise CheckpointError(f"a checkpoint must hold {MANIFEST}, got none in {folder}; use an older one") from None


def listed(content: bytes, place: Path | str) -> dict[str, dict[str, Any]]:
    """What the manifest of a checkpoint at `place` says, as above."""
    try:
        files = json.loads(content)["files"]
        return {name: {"bytes": int(file["bytes"]), "sha256": str(file["sha256"])} for name, file in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CheckpointError(f"{MANIFEST} must be readable, got damaged JSON in {place}; use an older one") from None


def files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def seal_all(folder: Path) -> None:
    """Write the manifest of all that is there."""
    write_manifest(folder, {path.relative_to(folder).as_posix(): seal(path) for path in files_below(folder)})


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

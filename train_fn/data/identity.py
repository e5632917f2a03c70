"""Which prepared folder a data config belongs to: another config or another input, another folder."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from train_fn.data.built_in import BUILT_IN, built_in_versions
from train_fn.data.config import DataConfig, TextDataConfig
from train_fn.data.files import files_of
from train_fn.data.function import module_file
from train_fn.data.hub import is_saved
from train_fn.errors import DataError

LAYOUT = 7  # raise it when the same config and inputs would be read, split or written differently


def identity(config: DataConfig) -> dict[str, Any]:
    settings = asdict(config)
    for name in ("cache", "cache_gb"):  # where it is kept, not what it is
        del settings[name]
    return {"layout": LAYOUT, "kind": type(config).__name__, "config": settings, "inputs": inputs(config)}


def digest(identity: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def inputs(config: DataConfig) -> Any:
    """The state of what is read: of files their size and time, of a function that of its module.

    Not of a hub data set, which stays as it was when first fetched; nor of what a function reads, or of images that a
    list names: a new list, or another name of the function, is read anew.
    """
    files = [state(file) for name, path in named_files(config).items() for file in files_of(name, path)]
    if config.source in BUILT_IN:
        return [built_in_versions(str(config.source)), *files]
    if isinstance(config, TextDataConfig) and config.paraphrase:
        files = [state(module_file(config.paraphrase, "paraphrase")), *files]
    if config.function:
        return [state(module_file(config.function)), *files]
    if config.folder or (config.source and is_saved(Path(config.source).expanduser())):
        return [*states_below(str(config.folder or config.source)), *files]
    return files


def named_files(config: DataConfig) -> dict[str, str]:
    """Field -> path, of the fields that name a file."""
    names = ("file", "train", "valid", "test", "unlabelled")
    return {name: getattr(config, name) for name in names if getattr(config, name)}


def states_below(folder: str) -> list[tuple[str, int, int]]:
    try:
        return [state(path) for path in sorted(Path(folder).expanduser().rglob("*")) if path.is_file()]
    except (OSError, RuntimeError) as error:
        raise DataError(f"{folder}: must be a folder that can be read, got {error}; correct the path") from None


def state(path: Path) -> tuple[str, int, int]:
    """Absolute path, bytes, time of the last change in nanoseconds."""
    try:
        stat = path.stat()
    except OSError as error:
        raise DataError(f"{path}: must stay while it is read, got {error.strerror}; put it back") from None
    return str(path.absolute()), stat.st_size, stat.st_mtime_ns

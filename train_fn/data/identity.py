"""Which prepared folder a data config belongs to: another config or another input, another folder."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from train_fn.data.config import DataConfig
from train_fn.data.docstrings import package_versions
from train_fn.errors import DataError

LAYOUT = 3  # raise it when the same config and inputs would be read, split or written differently


def identity(config: DataConfig) -> dict[str, Any]:
    settings = asdict(config)
    del settings["cache"]  # where it is kept, not what it is
    return {"layout": LAYOUT, "config": settings, "inputs": inputs(config)}


def digest(identity: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def inputs(config: DataConfig) -> Any:
    """The state of what is read; a hub data set has none here, so it stays as it was when first fetched."""
    if config.source == "docstrings":
        return package_versions()
    if config.source:
        return [state(path) for path in sorted(Path(config.source).rglob("*")) if path.is_file()]
    return [state(existing_file(name, path)) for name, path in named_files(config).items()]


def named_files(config: DataConfig) -> dict[str, str]:
    """Field -> path, of the fields that name a file."""
    fields = {"file": config.file, "train": config.train, "valid": config.valid, "test": config.test}
    return {name: path for name, path in fields.items() if path}


def existing_file(name: str, path: str) -> Path:
    absolute = Path(path).expanduser().absolute()
    if not absolute.is_file():
        raise DataError(f"`{name}` must be a file, found none at {absolute}; correct the path")
    return absolute


def state(path: Path) -> tuple[str, int, int]:
    stat = path.stat()
    return str(path.absolute()), stat.st_size, stat.st_mtime_ns

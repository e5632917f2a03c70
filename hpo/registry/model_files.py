"""What the folder of a model may hold: files that cannot run code when they are loaded, each as its manifest says.

Everything is looked at before a library is given anything of it. `MLmodel` could name any module to load the model by,
and a `.bin` or `.pt` may hold a pickle, which can do anything.
"""

from pathlib import Path
from typing import Any

from hpo.errors import UsageError
from hpo.tracking.mlflow_model import MANIFEST_DIGEST
from hpo.yaml_source import Source
from train_fn.checkpoint import MANIFEST, CheckpointError, digest, files_below, manifest, verify

ADDED_BY_MLFLOW = {"registered_model_meta"}  # after the model was written; nothing reads it here
HARMLESS = {".safetensors", ".skops", ".json", ".jsonl", ".txt", ".md", ".yaml", ".jinja", ".model"}
NAMES = {"MLmodel", "LICENSE", "NOTICE", *ADDED_BY_MLFLOW}
LOADERS = {"mlflow.transformers", "train_fn.saved_estimator"}
MEGABYTE = 1e6


def verified(folder: Path, whose: str, manifest_digest: str | None) -> Path:
    """The folder itself. UsageError, in one line each, on a missing manifest and on files changed, lost or added."""
    if not (folder / MANIFEST).is_file():
        raise UsageError(f"{whose} has no {MANIFEST}, so nothing says what its files must be; train it anew")
    if manifest_digest is None:
        raise UsageError(f"{whose} has no tag {MANIFEST_DIGEST}: it was not made by hpo; promote one that was")
    if digest(folder / MANIFEST) != manifest_digest:
        raise UsageError(f"{whose}: its {MANIFEST} is not the one that was written; bring the old files back")
    try:
        names = set(manifest(folder))
        verify(folder)
    except CheckpointError as error:
        raise UsageError(f"{whose} is not what was written: {error}") from None
    found = {path.relative_to(folder).as_posix() for path in files_below(folder)}
    if added := sorted(found - names - {MANIFEST} - ADDED_BY_MLFLOW):
        raise UsageError(f"{whose} has a file that is not in its {MANIFEST}: {added[0]}; delete it")
    refuse_harmful(folder, whose)
    return folder


def refuse_harmful(folder: Path, whose: str) -> None:
    """UsageError on a kind of file, or a way to be loaded, that could run code."""
    for path in files_below(folder):
        if path.is_symlink() or not (path.suffix in HARMLESS or path.name in NAMES):
            raise UsageError(
                f"{whose} holds {path.relative_to(folder)}, a kind of file that is never loaded, as it may run code; "
                "save weights as safetensors"
            )
    flavour = read_mlmodel(folder, whose).get("flavors", {}).get("python_function", {})
    if flavour.get("loader_module") not in LOADERS or flavour.get("code"):
        raise UsageError(
            f"{whose} wants to be loaded by {flavour.get('loader_module')!r}, which is none of {', '.join(LOADERS)}; "
            "promote a model that hpo logged"
        )


def read_mlmodel(folder: Path, whose: str) -> dict[str, Any]:
    """MLflow's description of a model. Its YAML may hold plain values alone: a tag could make any object."""
    try:
        found = Source(folder / "MLmodel").data
    except UsageError as error:
        raise UsageError(f"{whose} has no MLmodel that can be read: {error}") from None
    if not isinstance(found, dict):
        raise UsageError(f"{whose} has no MLmodel that can be read: it is no mapping")
    return found


def metadata(folder: Path, whose: str) -> dict[str, Any]:
    """What was said of the model when it was logged: config, trainable, labels, data fingerprint."""
    found: dict[str, Any] = read_mlmodel(folder, whose).get("metadata") or {}
    return found


def size_mb(folder: Path) -> float:
    """10^6 bytes."""
    return sum(path.stat().st_size for path in files_below(folder)) / MEGABYTE

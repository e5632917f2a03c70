"""How images or texts that lie in a folder for each label become tables."""

from pathlib import Path

import pandas as pd

from train_fn.data import images
from train_fn.data.config import DataConfig, ImageDataConfig, TextDataConfig
from train_fn.data.decoding import find_encoding, open_text
from train_fn.data.images import is_inside
from train_fn.data.table import Table
from train_fn.errors import DataError

SPLITS = {"train": "train", "valid": "valid", "validation": "valid", "val": "valid", "dev": "valid", "test": "test"}
OF_SYSTEMS = {"Thumbs.db", "desktop.ini", "__MACOSX"}  # what file browsers and packers leave everywhere
TEXT_SUFFIXES = (".txt",)


def read_folder(config: DataConfig) -> dict[str, Table]:
    """Split, or "all" -> columns `label`, the name of the folder, and `image` or `text`; in the order of the names.

    From folder/label/file, or folder/train/label/file, where valid and test may stand beside train.
    """
    place = str(config.folder)
    if not isinstance(config, ImageDataConfig | TextDataConfig):
        raise DataError("`folder` must hold images or texts, got a config of columns; give the table as `file`")
    try:
        root = Path(place).expanduser().absolute()
        if not root.is_dir():
            raise DataError(f"`folder` must be a folder, found none at {root}; correct the path")
        splits = split_folders(root)
        return {
            split: read_labels(
                folder, root.resolve(), place if split == "all" else str(Path(place) / folder.name), config
            )
            for split, folder in splits.items()
        }
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"`folder` must be a folder that can be read, got {place}: {reason}; correct it") from None


def split_folders(root: Path) -> dict[str, Path]:
    """A folder called train is a split if it holds folders; if it holds files, it is a label as any other."""
    below = [path for path in visible(root) if path.is_dir()]
    found = [path for path in below if path.name.lower() in SPLITS and any(inner.is_dir() for inner in visible(path))]
    if not found:
        return {"all": root}
    splits = {SPLITS[path.name.lower()]: path for path in found}
    if len(splits) < len(below) or "train" not in splits:
        names = ", ".join(path.name for path in below)
        raise DataError(f"`folder` must hold train, valid and test, or labels alone, got {names} in {root}; sort them")
    return splits


def read_labels(folder: Path, home: Path, place: str, config: DataConfig) -> Table:
    of_images = isinstance(config, ImageDataConfig)
    files = labelled_files(folder, home, images.SUFFIXES if of_images else TEXT_SUFFIXES, place)
    labels = [label for _, label in files]
    if of_images:
        paths = [str(path) for path, _ in files]
        return Table(frame=pd.DataFrame({"image": paths, "label": labels}, dtype=object), place=place)
    read = [read_text(path, config.encoding) for path, _ in files]
    return Table(
        frame=pd.DataFrame({"text": [text for text, _, _ in read], "label": labels}, dtype=object),
        place=place,
        encoding=", ".join(sorted({encoding for _, encoding, _ in read})),
        bom=any(bom for _, _, bom in read),
    )


def labelled_files(folder: Path, home: Path, suffixes: tuple[str, ...], place: str) -> list[tuple[Path, str]]:
    """Every file below the folder of a label, with that label. None may be of another kind, or lie outside `home`."""
    beside = [path.name for path in visible(folder) if path.name.lower().endswith(suffixes) and not path.is_dir()]
    if beside:
        raise DataError(f"{place}: files must lie in a folder named by their label, got {beside[0]} beside; move it")
    labels = [path for path in visible(folder) if path.is_dir()]
    files = [(path, label.name) for label in labels for path in visible(label, "**/*") if not path.is_dir()]
    if not files:
        raise DataError(f"{place}: must hold files as label/file, found none; a table or a list goes into `file`")
    for path, _ in files:
        name = path.relative_to(folder)
        if not name.name.lower().endswith(suffixes):
            raise DataError(f"{place}: files must end in one of {', '.join(suffixes)}, got {name}; move it elsewhere")
        if not is_inside(path, home):
            raise DataError(f"{place}: files must lie in the folder, got a link out of it: {name}; copy them there")
    return files


def visible(folder: Path, pattern: str = "*") -> list[Path]:
    """In the order of their names; without what file browsers leave behind."""
    return sorted(
        path
        for path in folder.glob(pattern)
        if not any(part.startswith(".") or part in OF_SYSTEMS for part in path.relative_to(folder).parts)
    )


def read_text(path: Path, wanted: str) -> tuple[str | None, str, bool]:
    """None where it is no file, as of a link to nothing."""
    if not path.is_file():
        return None, "utf-8", False
    encoding, bom = find_encoding(path, wanted)
    with open_text(path, encoding) as file:
        return file.read(), encoding, bom

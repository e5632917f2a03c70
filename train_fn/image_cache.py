"""Where decoded images wait between epochs and trials, so that each is decoded once for the machine.

Four ways, of the same pixels: `none` decodes each time; `files` is an .npy file for each image; `array` one
memory-mapped array for a split; `chunks` arrays of 256 images, which are open only while they are read.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

import numpy
from rich.console import Console
from rich.progress import track

from train_fn.cache import made_once
from train_fn.config import ImageCache
from train_fn.errors import DataError
from train_fn.image_pixels import pixels
from train_fn.read_ahead import ReadAhead

CHUNK = 256  # images
OF_DISK = 0.5  # share of what is free there that `auto` takes (assumption)
OF_MEMORY = 0.5  # share of the machine's above which shuffled reads of one array would wait for the disk (assumption)

Kept = Literal["files", "array", "chunks"]
Images = Sequence[Path] | numpy.ndarray  # files, or uint8 (rows, height, width, 3)


class Pixels(Protocol):
    """All images of a split, brought to one size."""

    def expect(self, batches: Iterable[numpy.ndarray]) -> None:
        """The rows to be taken next, in this order."""

    def take(self, rows: numpy.ndarray) -> numpy.ndarray:
        """uint8 of shape (rows, size, size, 3)."""


@dataclass(frozen=True)
class Array:
    array: numpy.ndarray  # memory-mapped

    def expect(self, batches: Iterable[numpy.ndarray]) -> None:
        """The kernel reads what is asked for, and keeps it."""

    def take(self, rows: numpy.ndarray) -> numpy.ndarray:
        return numpy.asarray(self.array[rows])


@dataclass(frozen=True)
class Chunks:
    folder: Path
    size: int

    def expect(self, batches: Iterable[numpy.ndarray]) -> None:
        """As of an array."""

    def take(self, rows: numpy.ndarray) -> numpy.ndarray:
        taken = numpy.empty((len(rows), self.size, self.size, 3), dtype=numpy.uint8)
        chunks = rows // CHUNK
        for chunk in numpy.unique(chunks):
            here = chunks == chunk
            taken[here] = numpy.load(chunk_path(self.folder, chunk), mmap_mode="r")[rows[here] % CHUNK]
        return taken


def open_images(
    splits: Mapping[str, Images], entry: Path, *, size: int, way: ImageCache, num_workers: int, limit_gb: float
) -> dict[str, Pixels]:
    """Each split's images at `size` pixels; what is kept of them is `entry` of the cache, its name ended by the way.

    Raises DataError where the disk has no room, or an image cannot be read; then nothing is left behind.
    """
    if all(isinstance(images, numpy.ndarray) and images.shape[1:3] == (size, size) for images in splits.values()):
        return {split: Array(numpy.asarray(images)) for split, images in splits.items()}  # they are one already
    chosen = automatic(entry, bytes_of(splits, size), limit_gb) if way == "auto" else way
    if chosen == "none":
        return {split: ReadAhead(decoder(images, size), num_workers) for split, images in splits.items()}
    folder = made_once(of_way(entry, chosen), partial(fill, splits, size, chosen, num_workers), limit_gb)
    return {split: OPENED[chosen](folder / split, size, num_workers) for split in splits}


def automatic(entry: Path, num_bytes: int, limit_gb: float) -> Kept | Literal["none"]:
    """What is there already; else one array, or chunks where memory is small, or nothing where the disk is."""
    for way in OPENED:
        if of_way(entry, way).is_dir():
            return way
    if num_bytes > min(OF_DISK * free_bytes(entry), limit_gb * 1e9):
        return "none"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return "array" if num_bytes <= OF_MEMORY * memory else "chunks"


def of_way(entry: Path, way: Kept) -> Path:
    return entry.with_name(f"{entry.name}-{way}")


def bytes_of(splits: Mapping[str, Images], size: int) -> int:
    return sum(map(len, splits.values())) * size * size * 3


def free_bytes(path: Path) -> int:
    return shutil.disk_usage(next(folder for folder in (path, *path.parents) if folder.is_dir())).free


def decoder(images: Images, size: int) -> Callable[[int], numpy.ndarray]:
    return lambda row: pixels(images[row], size)


def fill(splits: Mapping[str, Images], size: int, way: Kept, num_workers: int, folder: Path) -> None:
    needed, free = bytes_of(splits, size), free_bytes(folder)
    if needed > free:
        raise DataError(
            f"`image_cache` {way} needs {needed / 1e9:.1f} GB on the disk of the cache, got {free / 1e9:.1f} GB free; "
            "make room there, or try none"
        )
    for split, images in splits.items():
        WRITERS[way](folder / split, (len(images), size, size, 3), decoded(split, images, size, num_workers))


def decoded(split: str, images: Images, size: int, num_workers: int) -> "Blocks":
    """One chunk after another; with a bar where somebody watches."""
    screen = Console(stderr=True)
    what = f"{split}: {len(images):,} images to {size} x {size}"
    with ThreadPoolExecutor(num_workers) as pool:
        starts = range(0, len(images), CHUNK)
        for start in track(starts, what, console=screen, transient=True, disable=not screen.is_terminal):
            rows = range(start, min(start + CHUNK, len(images)))
            yield start, numpy.stack(list(pool.map(decoder(images, size), rows)))


Blocks = Iterator[tuple[int, numpy.ndarray]]  # first row, uint8 pixels of it and those that follow


def write_files(place: Path, shape: tuple[int, ...], blocks: Blocks) -> None:
    place.mkdir()
    for start, block in blocks:
        for row, image in enumerate(block, start):
            numpy.save(image_path(place, row), image, allow_pickle=False)


def write_array(place: Path, shape: tuple[int, ...], blocks: Blocks) -> None:
    array = numpy.lib.format.open_memmap(array_path(place), mode="w+", dtype=numpy.uint8, shape=shape)
    for start, block in blocks:
        array[start : start + len(block)] = block
    array.flush()


def write_chunks(place: Path, shape: tuple[int, ...], blocks: Blocks) -> None:
    place.mkdir()
    for start, block in blocks:
        numpy.save(chunk_path(place, start // CHUNK), block, allow_pickle=False)


def image_path(place: Path, row: int) -> Path:
    return place / f"{row:08}.npy"


def array_path(place: Path) -> Path:
    return place.with_name(f"{place.name}.npy")


def chunk_path(place: Path, chunk: int) -> Path:
    return place / f"{chunk:06}.npy"


WRITERS: Mapping[Kept, Callable[[Path, tuple[int, ...], Blocks], None]] = {
    "array": write_array,
    "chunks": write_chunks,
    "files": write_files,
}
OPENED: Mapping[Kept, Callable[[Path, int, int], Pixels]] = {  # place, size, num_workers -> pixels
    "array": lambda place, size, num_workers: Array(numpy.load(array_path(place), mmap_mode="r")),
    "chunks": lambda place, size, num_workers: Chunks(place, size),
    "files": lambda place, size, num_workers: ReadAhead(lambda row: numpy.load(image_path(place, row)), num_workers),
}

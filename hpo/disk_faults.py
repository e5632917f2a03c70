"""When the disk is to blame: full, over its quota, read-only or failing; and the one line that says so."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hpo.errors import DiskError, HpoError

# faults of the machine, which every other trial will meet, too
OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}
# as SQLite and libraries in Rust and C++ say it, which pass on no error number
FULL = ("No space left on device", "Disk quota exceeded", "database or disk is full")
WORDS = (
    *FULL,
    "Read-only file system",
    "Input/output error",
    "disk I/O error",
    "attempt to write a readonly database",
)
LITTLE = 100_000  # bytes free, below which a disk counts as full
UNITS = ("bytes", "kB", "MB", "GB", "TB")


def fault(error: BaseException | None, below: Path | None = None) -> str:
    """What the disk said, wherever in the chain of causes it stands; nothing where it is not to blame.

    Below a study's own folder it is so for want of permissions, too: nobody but hpo writes there.
    """
    seen: set[int] = set()  # a library may have raised an error from itself
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, OSError) and error.errno in OF_THE_DISK:
            return str(error.strerror)
        if isinstance(error, PermissionError) and below and Path(str(error.filename)).is_relative_to(below):
            return str(error.strerror)
        if said := in_words(str(error)):
            return said
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return ""


def in_words(text: str) -> str:
    """The words of a disk that stand in a text; nothing where there are none."""
    return next((words for words in WORDS if words in text), "")


def disk_error(path: Path, said: str, way_out: str, needed: int = 0) -> DiskError:
    """The one line: what could not be written and why; of a full disk, how much it takes and how much there is."""
    if not any(words in said for words in FULL):
        return DiskError(f"{path}: {said}; mend the disk, then {way_out}")
    there = existing(path)
    free = shutil.disk_usage(there).free
    takes = in_bytes(needed) if needed > free else f"more than {in_bytes(free)}"
    return DiskError(f"{path}: {said}; {takes} needed, {in_bytes(free)} free in {there}; free some, then {way_out}")


@contextmanager
def naming_disk(path: Path, way_out: str) -> Iterator[None]:
    """What the disk refuses within, wherever and in whatever library, ends in a DiskError."""
    try:
        yield
    except DiskError:
        raise
    except Exception as error:
        if said := fault(error, below=path):
            raise disk_error(Path(getattr(error, "filename", None) or path), said, way_out) from error
        raise


@contextmanager
def naming_full_disk(folder: Path, way_out: str) -> Iterator[None]:
    """The same where a library does not say why it fails: the disk of this folder has no room left."""
    with naming_disk(folder, way_out):
        try:
            yield
        except HpoError:
            raise
        except Exception as error:
            if shutil.disk_usage(existing(folder)).free > LITTLE:
                raise
            raise disk_error(folder, FULL[0], way_out) from error


def existing(path: Path) -> Path:
    """The folder itself, or the nearest above it that is there."""
    return next(place for place in (path.absolute(), *path.absolute().parents) if place.is_dir())


def in_bytes(number: float) -> str:
    """`272 MB`; powers of ten, as disks are sold."""
    power = 0
    while number >= 999.5 and power < len(UNITS) - 1:
        number, power = number / 1000, power + 1
    return f"{number:.3g} {UNITS[power]}"

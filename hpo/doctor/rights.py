"""Who may read what a study leaves behind: nobody but its user."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from hpo.doctor.finding import Finding, Orders, fault, ok
from hpo.doctor.machine import CACHE
from hpo.paths import STUDIES, StudyPaths

OTHERS = stat.S_IRWXG | stat.S_IRWXO


def of_folder(orders: Orders) -> Iterator[Finding]:
    """The tracking database, its artifacts and the cache of prepared data."""
    places = [STUDIES, *Path().glob("mlflow.db*"), Path("mlartifacts"), CACHE]
    yield from _closed([*places[:1], *(path for place in places[1:] for path in _below(place))], orders)


def of_study(paths: StudyPaths, orders: Orders) -> Iterator[Finding]:
    yield from _closed(list(_below(paths.root)), orders)


def _closed(paths: list[Path], orders: Orders) -> Iterator[Finding]:
    there = [path for path in paths if path.exists() and not path.is_symlink()]
    foreign = [path for path in there if path.stat().st_uid != os.getuid()]
    for path in foreign[:1]:
        yield fault("rights", f"{path} and {len(foreign) - 1} more belong to another user; `chown` them, or leave them")
    open_ = [path for path in there if path not in foreign and path.stat().st_mode & OTHERS]
    if open_:
        wrong = f"{open_[0]} and {len(open_) - 1} more can be read or written by others"
        yield orders.carry_out("rights", wrong, lambda: _close(open_), "closed")
    elif not foreign:
        yield ok("rights", f"{len(there):,} files and folders are this user's alone")


def _below(path: Path) -> Iterator[Path]:
    yield path
    if path.is_dir() and not path.is_symlink():
        yield from path.rglob("*")


def _close(paths: list[Path]) -> None:
    for path in paths:
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~OTHERS)

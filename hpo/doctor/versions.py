"""Installed versions against the ranges that this project is tested with, and what is known to be broken."""

import platform
import sqlite3
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from hpo.doctor.finding import Finding, Orders, fault, ok, warning

# "the WAL-reset bug" of sqlite.org/wal.html: two connections at once may corrupt a database in write-ahead mode
WAL_RESET_BUG = ((3, 7, 0), (3, 51, 2))


def packages(orders: Orders) -> Iterator[Finding]:
    needed = [Requirement(line) for line in requires("hpo") or ()]
    needed = [one for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]
    wrong = list(filter(None, map(_wrong, needed)))
    for line in wrong:
        yield fault("versions", line)
    if not wrong:
        yield ok("versions", f"Python {platform.python_version()}, {len(needed)} packages in their ranges")


def _wrong(needed: Requirement) -> str:
    try:
        there = version(needed.name)
    except PackageNotFoundError:
        return f"{needed.name} is not installed; `pip install '{needed}'`"
    if not needed.specifier.contains(there, prereleases=True):
        return f"{needed.name} must be {needed.specifier}, got {there}; `pip install '{needed}'`"
    return ""


def sqlite(orders: Orders) -> Iterator[Finding]:
    first, last = WAL_RESET_BUG
    if first <= sqlite3.sqlite_version_info <= last:
        yield ok("SQLite", f"{sqlite3.sqlite_version}: unsafe in write-ahead mode, which hpo therefore does not use")
    else:
        yield ok("SQLite", sqlite3.sqlite_version)


def journal_mode(path: str) -> str:
    """Of a database: `delete` or `wal`; nothing where it cannot be read."""
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            return str(connection.execute("PRAGMA journal_mode").fetchone()[0])
        finally:
            connection.close()
    except sqlite3.Error:
        return ""


def write_ahead(path: str) -> Iterator[Finding]:
    """A warning where somebody has switched a database to the mode that this SQLite corrupts."""
    first, last = WAL_RESET_BUG
    if journal_mode(path) == "wal" and first <= sqlite3.sqlite_version_info <= last:
        yield warning(
            "SQLite",
            f"{path} is in write-ahead mode, which SQLite {sqlite3.sqlite_version} may corrupt; "
            f"`sqlite3 {path} 'PRAGMA journal_mode=DELETE'`",
        )

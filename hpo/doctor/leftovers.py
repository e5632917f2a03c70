"""What killed drivers leave: processes, folders of Ray's sessions, studies that were never begun."""

import os
import shutil
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from hpo.disk_faults import in_bytes
from hpo.doctor.finding import Finding, Orders, ok, warning
from hpo.doctor.machine import CACHE
from hpo.executors.ray_session import clear, folders
from hpo.paths import STUDIES, StudyPaths
from hpo.processes import mentioning, of
from hpo.wording import count

RAY = Path("/tmp/ray")
SECONDS_TO_MAKE = 86_400  # what was not made to its end by then never will be


def of_drivers(paths: StudyPaths, orders: Orders) -> Iterator[Finding]:
    """Called under the study's lock: whatever carries its mark has no driver any more."""
    old = sessions(paths.root)
    left = of(paths.root, *old)
    if left or old:
        pids = ", ".join(str(one.pid) for one in left[:8]) or "none"
        processes, of_ray = count(len(left), "process"), count(len(old), "session")
        wrong = f"{processes} (pid {pids}) and {of_ray} of Ray left of a killed driver"
        yield orders.carry_out("leftovers", wrong, partial(clear, paths.root), "ended and deleted")
    else:
        yield ok("leftovers", "none of killed drivers")


def without_study(orders: Orders) -> Iterator[Finding]:
    """Of studies whose folder has been deleted since."""
    for owner in sorted({owner for owner in folders().values() if not owner.exists()}):
        old = sessions(owner)
        if not of(owner, *old):
            wrong = f"{old[0]} is left of {owner}, which is gone ({in_bytes(sum(map(size, old)))})"
            yield orders.carry_out("leftovers", wrong, partial(clear, owner), "deleted")


def other_sessions(orders: Orders) -> Iterator[Finding]:
    """Ray's own default place: what lies there is not ours, so that it is only told."""
    if not RAY.is_dir() or mentioning(str(RAY)):
        return
    left = [folder for folder in RAY.glob("session_*_*") if folder.lstat().st_uid == os.getuid()]
    if left:
        taken = in_bytes(sum(map(size, left)))
        says = f"other programs that used Ray left {count(len(left), 'session')} ({taken}) in {RAY}"
        yield warning("sessions", f"{says}; none of them runs: `rm -r {RAY}` frees it")


def unfinished(orders: Orders) -> Iterator[Finding]:
    """These get their names when they are whole; of a process that was killed before, another name stays."""
    long_ago = time.time() - SECONDS_TO_MAKE
    begun = [*STUDIES.glob(".*.*"), *Path().glob(".mlflow.db.*.tmp*"), *CACHE.glob("*/*.tmp")]
    left = [path for path in begun if path.lstat().st_mtime < long_ago]
    if left:
        wrong = f"studies, databases or prepared data never made to the end: {len(left)}, as {left[0]}"
        yield orders.carry_out("leftovers", wrong, lambda: delete(left), "deleted")


def sessions(study: Path) -> list[Path]:
    """Folders of Ray's sessions that drivers of the study started."""
    return [folder for folder, owner in folders().items() if owner == study]


def delete(paths: list[Path]) -> None:
    for path in paths:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def size(folder: Path) -> int:
    """Bytes of the files below."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())

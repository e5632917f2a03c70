"""`hpo doctor`: looks at the machine and at every study, mends what it can, and says what it found, line by line.

A check is a function that yields findings; adding one is a line in CHECKS or STUDY_CHECKS. Mended is only what can be
made again from a ledger, or belongs to no living process; a damaged ledger only when it is asked for.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial

from hpo.doctor import checkpoints, gpu, ledgers, leftovers, machine, ray_start, rights, tracking, versions
from hpo.doctor.finding import Finding, Orders, State, fault, ok, warning
from hpo.errors import HpoError, Resumable, UsageError
from hpo.ledger_server import address_file
from hpo.paths import STUDIES, StudyPaths
from hpo.redaction import redact
from hpo.study_lock import is_locked, study_lock

# Of the machine and of the working folder.
CHECKS: list[Callable[[Orders], Iterator[Finding]]] = [
    versions.packages,
    versions.sqlite,
    machine.disk,
    machine.shared_memory,
    machine.open_files,
    machine.clock,
    gpu.gpu,
    ray_start.ray,
    leftovers.without_study,
    leftovers.other_sessions,
    leftovers.unfinished,
    rights.of_folder,
    tracking.server,
]

# Of one study, under its lock: no driver runs it meanwhile. Those after the ledger's ask what it says.
STUDY_CHECKS: list[Callable[[StudyPaths, Orders], Iterator[Finding]]] = [
    leftovers.of_drivers,
    checkpoints.half_written,
    rights.of_study,
    ledgers.ledger,
    checkpoints.damaged,
    tracking.runs,
]


def examine(names: list[str] | None, orders: Orders) -> Iterator[Finding]:
    """Every check of the machine, then those of each study; of all studies unless some are named. UsageError at once
    where one of these is not there."""
    for name in names or ():
        if not StudyPaths.of(name).root.is_dir():
            raise UsageError(f"there is no study {name} in {STUDIES.absolute()}; `hpo status` lists those there are")
    for check in CHECKS:
        yield from _whatever_happens(check.__name__, partial(check, orders))
    for paths in map(StudyPaths.of, all_names() if names is None else names):
        for finding in examine_study(paths, orders):
            yield Finding(check=f"{paths.root.name}: {finding.check}", state=finding.state, says=finding.says)


def examine_study(paths: StudyPaths, orders: Orders) -> Iterator[Finding]:
    """The checks of one study, unless a driver runs it."""
    if not paths.ledger.exists() and not address_file(paths.ledger).exists():
        yield fault("ledger", f"there is none in {paths.root}: this is no study; bring it back, or delete the folder")
        return
    try:
        if is_locked(paths):
            yield ok("study", "is being run; left alone")
            return
        with study_lock(paths) if orders.mend or orders.repair else nullcontext():
            for check in STUDY_CHECKS:
                found = list(_whatever_happens(check.__name__, partial(check, paths, orders)))
                yield from found
                if check is ledgers.ledger and any(finding.state == State.FAULT for finding in found):
                    return
    except Resumable as error:  # run by another machine, or begun just now
        yield warning("study", f"left alone: {error}")
    except HpoError as error:
        yield fault("study", str(error))


def all_names() -> list[str]:
    """Every folder that would be a study, whether or not its ledger is there."""
    return sorted(path.name for path in STUDIES.glob("[!.]*") if path.is_dir())


def _whatever_happens(name: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """A check that fails itself is a fault like any other, and the next one is made."""
    try:
        for finding in check():
            yield Finding(check=finding.check, state=finding.state, says=redact(finding.says))
    except Exception as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())
        yield fault(name, redact(f"the check itself failed: {said}"[:300]))


__all__ = ["CHECKS", "STUDY_CHECKS", "Finding", "Orders", "State", "examine", "examine_study"]

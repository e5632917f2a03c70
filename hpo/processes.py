"""The processes of a study: its driver marks its environment, and every process started from there inherits that."""

import os
from collections.abc import Iterable
from pathlib import Path

import psutil

MARK = "HPO_STUDY"  # holds the study's folder
SECONDS_TO_END = 5.0  # between asking a process to end and ending it


def mark(study: Path) -> None:
    """From here on, what this process starts is known as the study's."""
    os.environ[MARK] = str(study)


def of(study: Path, *folders: Path) -> list[psutil.Process]:
    """This user's processes that a driver of the study started, now or earlier; not this process.

    One that gives itself another name, as Ray's do, overwrites its environment: it is known by a file that it has open
    in one of the `folders`.
    """
    others = (one for one in psutil.process_iter() if one.pid != os.getpid())
    return [one for one in others if _marked(one) == str(study) or _has_open(one, folders)]


def children(names: Iterable[str]) -> list[psutil.Process]:
    """Of this process, those with one of these names."""
    return [child for child in psutil.Process().children() if child.name() in names]


def descendants() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def has_ended(process: psutil.Process) -> bool:
    return _status(process) in (None, psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)


def is_named(process: psutil.Process, name: str) -> bool:
    try:
        return bool(process.name() == name)
    except psutil.Error:  # ended meanwhile
        return False


def is_stopped(process: psutil.Process) -> bool:
    """By SIGSTOP, or by a debugger."""
    return _status(process) in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)


def end(processes: Iterable[psutil.Process], patience: float = SECONDS_TO_END) -> None:
    """Ask each to end, and end those that do not."""
    asked = [process for process in processes if _send(process, "terminate")]
    _, still_there = psutil.wait_procs(asked, timeout=patience)
    for process in still_there:
        _send(process, "kill")
    psutil.wait_procs(still_there, timeout=SECONDS_TO_END)


def listening() -> list[tuple[str, int]]:
    """Address and port of every TCP socket on which this process, or one below it, waits for connections."""
    found: list[tuple[str, int]] = []
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        try:
            sockets = process.net_connections("tcp")
        except psutil.Error:  # ended meanwhile
            continue
        found += [(one.laddr.ip, one.laddr.port) for one in sockets if one.status == psutil.CONN_LISTEN]
    return sorted(found)


def _marked(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(MARK) if process.uids().real == os.getuid() else None
    except (psutil.Error, OSError):  # ended meanwhile, or not to be looked into
        return None


def _has_open(process: psutil.Process, folders: Iterable[Path]) -> bool:
    try:
        return any(Path(file.path).is_relative_to(folder) for folder in folders for file in process.open_files())
    except (psutil.Error, OSError):
        return False


def _status(process: psutil.Process) -> str | None:
    try:
        return str(process.status()) if process.is_running() else None
    except psutil.Error:  # ended meanwhile
        return None


def _send(process: psutil.Process, signal: str) -> bool:
    try:
        getattr(process, signal)()  # refuses where another process has taken the number over
        return True
    except psutil.Error:
        return False


def mentioning(text: str) -> list[psutil.Process]:
    """Processes with this in their command line; not this process."""
    found = []
    for one in psutil.process_iter():
        try:
            if one.pid != os.getpid() and any(text in word for word in one.cmdline()):
                found.append(one)
        except psutil.Error:  # ended meanwhile
            continue
    return found

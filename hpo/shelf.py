"""Where a study's checkpoints lie, each known by its trial and its name: in the study's folder, or in a storage.

In a storage they lie only while the study goes on. At its end those that it keeps come home into its folder, where
every other verb looks for them, and the storage is empty again.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from hpo import storage
from hpo.paths import StudyPaths
from train_fn import checkpoint
from train_fn.checkpoint import CheckpointError, commit, discard, verify

log = logging.getLogger(__name__)


class Shelf(Protocol):
    def names(self, trial: int) -> list[str]:
        """Of all checkpoints of the trial that are there, whole or not."""

    def all_names(self) -> dict[int, list[str]]:
        """Of all trials that have any; one look, however many there are."""

    def size(self, trial: int, name: str) -> int:
        """In bytes; CheckpointError unless it is whole, as far as that can be told without reading it."""

    def address(self, trial: int, name: str) -> str:
        """For a worker to go on from; CheckpointError unless it is as it was written."""

    def discard(self, trial: int, name: str) -> None: ...

    def trial_url(self, trial: int) -> str | None:
        """Where a worker brings the trial's checkpoints; None where it writes them into the study's folder."""

    def come_home(self, kept: list[tuple[int, str]]) -> None:
        """The study is over, and keeps these alone."""


@dataclass(frozen=True)
class Folder:
    """The study's own."""

    paths: StudyPaths

    def names(self, trial: int) -> list[str]:
        return [folder.name for folder in self.paths.trial(trial).glob("checkpoint-*")]

    def all_names(self) -> dict[int, list[str]]:
        return _by_trial(
            str(folder.relative_to(self.paths.trials)) for folder in self.paths.trials.glob("*/checkpoint-*")
        )

    def size(self, trial: int, name: str) -> int:
        return checkpoint.size(self._of(trial, name))

    def address(self, trial: int, name: str) -> str:
        verify(self._of(trial, name))
        return str(self._of(trial, name))

    def discard(self, trial: int, name: str) -> None:
        discard(self._of(trial, name))

    def trial_url(self, trial: int) -> str | None:
        return None

    def come_home(self, kept: list[tuple[int, str]]) -> None:
        """They are."""

    def _of(self, trial: int, name: str) -> Path:
        return self.paths.trial(trial) / name


@dataclass(frozen=True)
class Bucket:
    """The part of a storage that is this study's. What is at home, from before the study came here, counts too."""

    home: Folder
    url: str

    def names(self, trial: int) -> list[str]:
        return sorted({*self.home.names(trial), *storage.names(self.trial_url(trial))})

    def all_names(self) -> dict[int, list[str]]:
        here = (f"{trial}/{name}" for trial, names in self.home.all_names().items() for name in names)
        return _by_trial({*here, *storage.folders(self.url)})

    def size(self, trial: int, name: str) -> int:
        try:
            return self.home.size(trial, name)
        except CheckpointError:
            return storage.size(self._of(trial, name))

    def address(self, trial: int, name: str) -> str:
        """Its bytes are looked at by the worker, which has to read them anyway."""
        try:
            storage.size(self._of(trial, name))
        except CheckpointError:
            storage.put(Path(self.home.address(trial, name)), self._of(trial, name))
        return self._of(trial, name)

    def discard(self, trial: int, name: str) -> None:
        """Where the storage does not answer it stays, and goes with the rest when the study is over."""
        self.home.discard(trial, name)
        try:
            storage.discard(self._of(trial, name))
        except storage.StorageError as error:
            log.warning("trial %d: %s", trial, error)

    def trial_url(self, trial: int) -> str:
        return f"{self.url}/{trial:04d}"

    def come_home(self, kept: list[tuple[int, str]]) -> None:
        """When all are here, and only then, everything there is deleted."""
        for trial, name in kept:
            place = self.home.paths.trial(trial)
            if not _whole(place / name):
                discard(place / name)
                place.mkdir(exist_ok=True)
                try:
                    commit(place / name, partial(_unsealed, self._of(trial, name)))
                except CheckpointError as error:
                    log.warning("trial %d: %s", trial, error)
        storage.discard(self.url)

    def _of(self, trial: int, name: str) -> str:
        return f"{self.trial_url(trial)}/{name}"


def _by_trial(places: Iterable[str]) -> dict[int, list[str]]:
    """`0003/checkpoint-0001-1` to its trial and its name."""
    found: dict[int, list[str]] = {}
    for place in sorted(places):
        trial, _, name = place.partition("/")
        if trial.isdecimal() and name.startswith("checkpoint-"):
            found.setdefault(int(trial), []).append(name)
    return found


def _whole(folder: Path) -> bool:
    try:
        verify(folder)
        return True
    except CheckpointError:
        return False


def _unsealed(url: str, folder: Path) -> None:
    """What was saved there; `commit` seals it anew."""
    storage.fetch(url, folder)
    (folder / checkpoint.MANIFEST).unlink()

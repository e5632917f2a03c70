"""Where everything of a study lies: the one place that knows file names."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hpo.errors import UsageError

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
STUDIES = Path("studies")


def check_name(name: str) -> str:
    """UsageError unless it can be the name of a folder anywhere, and of nothing else."""
    if not NAME.fullmatch(name):
        got = repr(name if len(name) < 80 else f"{name[:77]}...")
        raise UsageError(f"a study's name must match {NAME.pattern} (lower case, digits, . _ -), got {got}; rename it")
    return name


@dataclass(frozen=True)
class StudyPaths:
    """`studies/NAME` and what is in it."""

    root: Path

    @classmethod
    def of(cls, name: str) -> "StudyPaths":
        """UsageError on a name that is none, and on a link, which would lead what is written out of the folder."""
        paths = cls((STUDIES / check_name(name)).absolute())
        for place in paths._foreign():
            kind = "a link" if place.is_symlink() else "no folder"
            raise UsageError(f"{place} is {kind}, but a study lies in folders of its own; move it away")
        return paths

    def _foreign(self) -> Iterator[Path]:
        """`studies` itself may be a link, to a larger disk."""
        if os.path.lexists(STUDIES) and not STUDIES.is_dir():
            yield STUDIES.absolute()
        elif self.root.is_symlink():
            yield self.root
        for folder in (self.root, self.trials):
            try:
                with os.scandir(folder) as entries:
                    yield from (Path(entry.path) for entry in entries if entry.is_symlink())
            except FileNotFoundError:
                return
            except NotADirectoryError:
                yield folder

    @property
    def ledger(self) -> Path:
        return self.root / "ledger.db"

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def log(self) -> Path:
        return self.root / "study.log"

    @property
    def trials(self) -> Path:
        return self.root / "trials"

    def trial(self, number: int) -> Path:
        return self.trials / f"{number:04d}"

"""Where everything of a study lies: the one place that knows file names."""

import re
from dataclasses import dataclass
from pathlib import Path

from hpo.errors import UsageError

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
STUDIES = Path("studies")


def check_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise UsageError(f"a study's name must match {NAME.pattern} (lower case, digits, . _ -), got {name!r}")
    return name


@dataclass(frozen=True)
class StudyPaths:
    """`studies/NAME` and what is in it."""

    root: Path

    @classmethod
    def of(cls, name: str) -> "StudyPaths":
        return cls((STUDIES / check_name(name)).absolute())

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
    def ray(self) -> Path:
        return self.root / "ray"

    @property
    def mlflow_cursor(self) -> Path:
        return self.root / "mlflow.json"

    def trial(self, number: int) -> Path:
        return self.root / "trials" / f"{number:04d}"

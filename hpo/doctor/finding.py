"""What a check of `hpo doctor` found, and what it was allowed to do about it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"  # works, but not as well as it could
    MENDED = "mended"
    FAULT = "fault"  # does not work, or will not be found again after a crash


@dataclass(frozen=True, kw_only=True)
class Finding:
    check: str
    state: State
    says: str  # one line: what was found and, where something is wrong, the way out


@dataclass(frozen=True, kw_only=True)
class Orders:
    """`mend`: what can be made again or belongs to no living process; `repair`: a damaged ledger, from what is left."""

    mend: bool = True
    repair: bool = False

    def carry_out(self, check: str, wrong: str, mend: Callable[[], object], done: str) -> Finding:
        """Mend it, or say that it could be mended."""
        if not self.mend:
            return fault(check, f"{wrong}; `hpo doctor` without --dry-run mends it")
        mend()
        return Finding(check=check, state=State.MENDED, says=f"{wrong}; {done}")


def ok(check: str, says: str) -> Finding:
    return Finding(check=check, state=State.OK, says=says)


def warning(check: str, says: str) -> Finding:
    return Finding(check=check, state=State.WARNING, says=says)


def fault(check: str, says: str) -> Finding:
    return Finding(check=check, state=State.FAULT, says=says)

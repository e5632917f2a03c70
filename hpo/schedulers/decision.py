"""What a scheduler says: of a trial after its report, and to a worker that is free."""

from collections.abc import Mapping
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from hpo.domains import Value

Inputs: TypeAlias = Mapping[str, float | int]  # the numbers that a decision was taken on; plain types


class Action(StrEnum):
    GO_ON = "go on"
    STOP = "stop"  # the trial ends as PRUNED
    PAUSE = "pause"  # its worker is free; it waits for a promotion


class Decision(NamedTuple):  # as those below: the quickest to make, and one is made at every report
    """What becomes of a trial after its report, in words for a person and with the numbers it was taken on."""

    action: Action = Action.GO_ON
    reason: str = ""
    inputs: Inputs = MappingProxyType({})  # empty: there was nothing to decide

    @property
    def stop(self) -> bool:
        return self.action is Action.STOP


GO_ON = Decision()


class Start(NamedTuple):
    """Begin a new trial; the searcher proposes its parameters, unless the scheduler has them."""

    bracket: int = 0
    params: Mapping[str, Value] | None = None
    parent: tuple[int, int] | None = None  # (trial, step) of the checkpoint that it begins from


class Promote(NamedTuple):
    """Go on with a paused trial."""

    trial: int
    reason: str
    inputs: Inputs = MappingProxyType({})


class Prune(NamedTuple):
    """End a paused trial that no promotion will come for; then ask again."""

    trial: int
    reason: str
    inputs: Inputs = MappingProxyType({})


class Idle(Enum):
    WAIT = "nothing now; ask again after the next event"
    DONE = "nothing more, whatever happens to the trials that still run"


WAIT, DONE = Idle.WAIT, Idle.DONE
Next: TypeAlias = Start | Promote | Prune | Idle

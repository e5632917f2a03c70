"""What a searcher is: `propose(history) -> params`, pure in (space, objective, seed, history)."""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from hpo.domains import Value
from hpo.history import History

CONTROL = "control"  # the source of trials that are drawn at random, for others to be compared with


class Searcher(Protocol):
    def propose(self, history: History) -> dict[str, Value]:
        """The parameters of trial number len(history.trials): the same after a crash as without one.

        What a searcher keeps between two calls may save work, and may change no answer.
        """


@dataclass(frozen=True)
class Proposal:
    """A configuration, and where it comes from if not from the searcher itself; stands so in the row `asked`."""

    params: dict[str, Value]
    source: str = ""  # `points`, `prior`, CONTROL or `study NAME`
    share: float | None = None  # of the proposals that come from there, as the evidence is

    @property
    def origin(self) -> dict[str, Any]:
        found = {"source": self.source or None, "share": self.share}
        return {name: value for name, value in found.items() if value is not None}


@runtime_checkable
class Explaining(Protocol):
    """A searcher whose proposals come from several sources."""

    def proposal(self, history: History) -> Proposal:
        """What `propose` gives, and its source."""


def proposal(searcher: Searcher, history: History) -> Proposal:
    if isinstance(searcher, Explaining):
        return searcher.proposal(history)
    return Proposal(searcher.propose(history))

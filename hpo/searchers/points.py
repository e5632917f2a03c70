"""Points to begin with: configurations of a person's own, each tried exactly once before the searcher is asked.

Trial number k is point number k, so none is lost or repeated by a crash.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hpo.domains import Value
from hpo.history import History
from hpo.searchers.drawing import generator
from hpo.searchers.searcher import Proposal, Searcher, proposal
from hpo.space import Params, Space, sample


@dataclass(frozen=True, kw_only=True)
class BeginsWith:
    """What a point leaves open is drawn."""

    points: Sequence[Params]
    searcher: Searcher
    space: Space
    seed: int

    def propose(self, history: History) -> dict[str, Value]:
        return self.proposal(history).params

    def proposal(self, history: History) -> Proposal:
        number = len(history.trials)
        if number >= len(self.points):
            return proposal(self.searcher, history)
        return Proposal(sample(self.space, generator(self.seed, history), fixed=self.points[number]), "points")

"""Random search (Bergstra and Bengio 2012, JMLR 13): the yardstick every other searcher has to beat."""

from dataclasses import dataclass

from hpo.domains import Value
from hpo.history import History
from hpo.objective import Objective
from hpo.searchers.drawing import generator
from hpo.space import Space, sample


@dataclass(frozen=True, kw_only=True)
class RandomSearch:
    space: Space
    objective: Objective
    seed: int

    def propose(self, history: History) -> dict[str, Value]:
        return sample(self.space, generator(self.seed, history))

"""Searchers propose the next configuration: `propose(history) -> params`, pure in (space, objective, seed, history).

Each stands in a file of its own; a new one is one more line here. Names are resolved late, so that reading a study file
loads no optimizer library.
"""

from typing import Protocol

from hpo.history import History
from hpo.space import Value
from hpo.trainable import resolve


class Searcher(Protocol):
    def propose(self, history: History) -> dict[str, Value]:
        """The parameters of trial number len(history.trials): the same after a crash as without one."""


SEARCHERS = {
    "random": "hpo.searchers.random:RandomSearch",
    "tpe": "hpo.searchers.tpe:TPE",
}


def build_searcher(name: str, **settings: object) -> Searcher:
    searcher: Searcher = resolve(SEARCHERS[name])(**settings)
    return searcher

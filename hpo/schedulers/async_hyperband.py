"""Hyperband without waiting (Li et al. 2020, MLSys, arXiv:1810.05934, section 3.3): promoting ASHA in each bracket.

New trials fill the brackets in turn, as many in each as Hyperband's table says.
"""

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate

from hpo.schedulers.hyperband import bracket_table
from hpo.schedulers.pausing import refuse_without_end
from hpo.schedulers.promoting_asha import PromotingASHA


@dataclass(kw_only=True, eq=False)
class AsyncHyperband(PromotingASHA):
    def __post_init__(self) -> None:
        refuse_without_end(self.max_epochs)
        super().__post_init__()
        sizes = [rungs[0][0] for rungs in bracket_table(self.rungs, self.reduction_factor)]
        self._ends = list(accumulate(sizes))

    @property
    def _brackets(self) -> int:
        return len(self.rungs)

    def _bracket_of(self, trial: int) -> int:
        return bisect_right(self._ends, trial % self._ends[-1])

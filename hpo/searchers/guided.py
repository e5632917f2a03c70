"""A searcher that is told where to look, by priors or by earlier studies, and believes it as far as it proves right.

The centre of each guide is tried first. From then on a guide proposes a share of the trials that grows with how well it
tells good trials from the others, wherever they came from: the chance that a trial of the best third ranks higher under
the guide than one of the rest, less one standard error (Mann and Whitney 1947). A guide that tells nothing is not
followed, and has cost one trial. After the mixture of PriorBand (Mallik et al. 2023, arXiv:2306.12370); to weigh an
earlier study by how well it ranks the trials of the new one is RGPE's (Feurer et al. 2018, arXiv:1802.02219).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hpo.domains import Value
from hpo.history import History
from hpo.objective import Objective
from hpo.searchers.drawing import allowed, at_random, generator
from hpo.searchers.observations import Floats, Observations
from hpo.searchers.parzen import Parzen
from hpo.searchers.searcher import CONTROL, Proposal, Searcher, proposal
from hpo.space import Space

LARGEST_SHARE = 0.5  # of all guides together
ENOUGH = 4  # trials that end before a guide is believed
MOST_JUDGED = 100  # trials, spread over all ranks, so that a proposal costs the same in a long study
GOOD = 1 / 3  # of the trials
TRIES = 10


@dataclass(frozen=True)
class Guide:
    """Where good configurations are thought to lie, and with `against` where not: then the ratio of both counts."""

    source: str
    density: Parzen
    centre: dict[str, Value] | None  # tried before anything else
    against: Parzen | None = None

    def promise(self, points: Floats) -> Floats:
        """Of each point (a row), larger is better; only the order counts."""
        good = self.density.log_density(points)
        return good if self.against is None else good - self.against.log_density(points)

    def sample(self, random: np.random.Generator) -> Floats:
        """Points to try; of those from a ratio the best first."""
        points = self.density.sample(random, TRIES)
        return points if self.against is None else points[np.argsort(-self.promise(points), kind="stable")]


@dataclass(kw_only=True)
class Guided:
    searcher: Searcher
    guides: Sequence[Guide]
    space: Space
    objective: Objective
    seed: int
    rungs: tuple[float, ...] = ()
    control_every: int | None = None  # one trial in so many is drawn at random, to compare the guides with

    def __post_init__(self) -> None:
        self._seen = Observations(self.space, self.objective, self.rungs)

    def propose(self, history: History) -> dict[str, Value]:
        return self.proposal(history).params

    def proposal(self, history: History) -> Proposal:
        seen, random = self._seen, generator(self.seed, history, stream=1)
        seen.update(history)
        for guide in self.guides:
            if guide.centre is not None and seen.is_new(guide.centre):
                return Proposal(guide.centre, guide.source)
        if self.control_every and (len(history.trials) + 1) % self.control_every == 0:
            return Proposal(at_random(seen, random), CONTROL)
        shares = self.shares()
        chosen = random.choice(len(shares) + 1, p=[*shares, 1 - sum(shares)])
        if chosen < len(shares):
            guide = self.guides[chosen]
            if found := allowed(seen, guide.sample(random)):
                return Proposal(found[0], guide.source, round(shares[chosen], 4))
        return proposal(self.searcher, history)

    def shares(self) -> list[float]:
        """Of the next trials that each guide proposes."""
        ranked = self._seen.ranked(ENOUGH)
        if len(ranked) < ENOUGH:
            return [0.0 for _ in self.guides]
        judged = ranked[np.linspace(0, len(ranked) - 1, min(len(ranked), MOST_JUDGED)).astype(int)]
        found = [LARGEST_SHARE * belief(guide.promise(self._seen.shares[judged])) for guide in self.guides]
        return [share * min(1.0, LARGEST_SHARE / max(sum(found), LARGEST_SHARE)) for share in found]


def belief(densities: Floats) -> float:
    """0 to 1 from the guide's densities at the trials, the best trial's first."""
    count = len(densities)
    good = math.ceil(GOOD * count)
    above, alike = densities[:good, None] > densities[good:], densities[:good, None] == densities[good:]
    right = float(above.mean() + alike.mean() / 2)
    error = math.sqrt((count + 1) / (12 * good * (count - good)))
    return float(min(max(2 * (right - 0.5 - error), 0.0), 1.0))

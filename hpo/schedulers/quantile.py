"""A quantile of scores that come one by one: O(log n) to take one in, and nothing to look."""

from heapq import heapify, heappop, heappush


class Quantile:
    """The score below which `share` of the trials lie, interpolated exactly as numpy.percentile does.

    Two heaps meet at it: those up to its place in ascending order, negated, and those above.
    """

    def __init__(self, share: float) -> None:
        self.share = share
        self._scores: dict[int, float] = {}
        self._below: list[float] = []
        self._above: list[float] = []

    def __len__(self) -> int:
        return len(self._scores)

    def record(self, trial: int, score: float) -> None:
        """A trial that is started again from a checkpoint short of the rung arrives a second time."""
        self.discard(trial)
        self._scores[trial] = score
        if self._below and score < -self._below[0]:
            heappush(self._below, -score)
        else:
            heappush(self._above, score)
        self._meet()

    def discard(self, trial: int) -> None:
        """Rare, and so the heaps are made anew: only after a worker was lost."""
        if trial in self._scores:
            del self._scores[trial]
            self._below, self._above = [], list(self._scores.values())
            heapify(self._above)
            self._meet()

    def value(self) -> float:
        place = (len(self._scores) - 1) * self.share
        low, part = -self._below[0], place - int(place)
        if not part:
            return low
        high = self._above[0]
        return low + (high - low) * part if part < 0.5 else high - (high - low) * (1 - part)

    def _meet(self) -> None:
        upto = int((len(self._scores) - 1) * self.share) + 1 if self._scores else 0
        while len(self._below) < upto:
            heappush(self._below, -heappop(self._above))
        while len(self._below) > upto:
            heappush(self._above, -heappop(self._below))

"""One bracket of successive halving with pauses: trials wait on its rungs until they are among the best there."""

from collections.abc import Iterator, Sequence

from hpo.schedulers.rung import Rung


class Ladder:
    """The rungs below the full budget, from the lowest; each with the trials that wait on it, best first."""

    def __init__(self, epochs: Sequence[int], factor: int) -> None:
        self.epochs, self.factor = tuple(epochs), factor
        self.top = len(self.epochs)  # index of the rung from which on nobody is promoted
        self.rungs = [Rung(one) for one in epochs]
        self._paused = [Rung(one) for one in epochs]
        self._on: dict[int, int] = {}  # trial -> index of the highest rung that it has reached
        self._ready: dict[int, int | None] = {}  # rung -> whom to go on with there; none where it has changed since

    def arrive(self, index: int, trial: int, score: float) -> None:
        self.rungs[index].record(trial, score)
        self._ready.pop(index, None)
        self._on[trial] = max(index, self._on.get(trial, index))

    def pause(self, trial: int) -> None:
        self._paused[self._on[trial]].record(trial, self.rung_of(trial).score(trial))
        self._ready.pop(self._on[trial], None)

    def leave(self, trial: int) -> None:
        """It goes on, or has ended; nothing where it was not paused here."""
        if trial in self._on:
            self._paused[self._on[trial]].discard(trial)
            self._ready.pop(self._on[trial], None)

    def best(self, index: int) -> int:
        """How many trials of a rung are among the best 1 / factor of it."""
        return len(self.rungs[index]) // self.factor

    def next(self) -> int | None:
        """The trial to go on with: the best of the highest rung that has any among its best."""
        for index in range(self.top - 1, -1, -1):
            if index not in self._ready:
                self._ready[index] = self._best_waiting(index)
            if (trial := self._ready[index]) is not None:
                return trial
        return None

    def goes_on(self, trial: int, index: int, rank: int) -> bool:
        """Whether a trial that has just arrived at a rung is the one that a free worker would go on with."""
        if index >= self.top or rank >= self.best(index):
            return False
        other = self.next()
        return other is None or self._place(trial) < self._place(other)

    def has_passed(self, trial: int, index: int) -> bool:
        """It had been higher up before it was started again from an earlier checkpoint."""
        return self._on[trial] > index

    def paused(self) -> Iterator[int]:
        """From the highest rung downwards, best first."""
        return (trial for waiting in reversed(self._paused) for trial in waiting)

    def _place(self, trial: int) -> tuple[int, float, int]:
        index = self._on[trial]
        return -index, -self.rungs[index].score(trial), trial

    def _best_waiting(self, index: int) -> int | None:
        waiting, rung = self._paused[index], self.rungs[index]
        if waiting and rung.rank(waiting.first()) < self.best(index):
            return waiting.first()
        return None

    def rung_of(self, trial: int) -> Rung:
        return self.rungs[self._on[trial]]

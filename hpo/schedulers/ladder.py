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

    def arrive(self, index: int, trial: int, score: float) -> None:
        self.rungs[index].record(trial, score)
        self._on[trial] = max(index, self._on.get(trial, index))

    def pause(self, trial: int) -> None:
        self._paused[self._on[trial]].record(trial, self.rung_of(trial).score(trial))

    def leave(self, trial: int) -> None:
        """It goes on, or has ended; nothing where it was not paused here."""
        if trial in self._on:
            self._paused[self._on[trial]].discard(trial)

    def promotable(self, trial: int) -> bool:
        """Among the best 1 / factor of its rung."""
        rung = self.rung_of(trial)
        return self._on[trial] < self.top and rung.rank(trial) < len(rung) // self.factor

    def next(self) -> int | None:
        """The trial to go on with: the best promotable one of the highest rung that has any."""
        for waiting in reversed(self._paused[: self.top]):
            if waiting and self.promotable(waiting.first()):
                return waiting.first()
        return None

    def goes_on(self, trial: int) -> bool:
        """Whether a trial that has just arrived is the one that a free worker would go on with."""
        if not self.promotable(trial):
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

    def rung_of(self, trial: int) -> Rung:
        return self.rungs[self._on[trial]]

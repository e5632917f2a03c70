"""Threads that read the rows to come while the model computes."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import numpy

BATCHES = 4  # that are read ahead: enough to hide a slow file, few enough for any memory (assumption)


class ReadAhead:
    """Rows from whatever gives one at a time; Pillow and files let go of the interpreter while they read."""

    def __init__(self, read: Callable[[int], numpy.ndarray], num_workers: int) -> None:
        self.read = read
        self.pool = ThreadPoolExecutor(num_workers, thread_name_prefix="images")
        self.to_come: Iterator[int] = iter(())
        self.begun: deque[tuple[int, Future[numpy.ndarray]]] = deque()
        self.room = 0  # rows that may be begun at a time

    def expect(self, batches: Iterable[numpy.ndarray]) -> None:
        """The rows to be taken next, in this order; those expected before are forgotten."""
        batches = list(batches)
        for _, future in self.begun:
            future.cancel()
        self.begun.clear()
        self.to_come = iter(numpy.concatenate(batches).tolist() if batches else [])
        self.room = BATCHES * max(map(len, batches), default=0)
        self._begin()

    def take(self, rows: numpy.ndarray) -> numpy.ndarray:
        """Shape (rows, ...). Rows that were not expected are read at once: a step may be taken again."""
        futures = [self._future(row) for row in rows.tolist()]
        self._begin()
        return numpy.stack([future.result() for future in futures])

    def _future(self, row: int) -> "Future[numpy.ndarray]":
        if self.begun and self.begun[0][0] == row:
            return self.begun.popleft()[1]
        return self.pool.submit(self.read, row)

    def _begin(self) -> None:
        for row in islice(self.to_come, self.room - len(self.begun)):
            self.begun.append((row, self.pool.submit(self.read, row)))

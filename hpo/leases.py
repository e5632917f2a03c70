"""How long a worker may be silent before it counts as lost: told from the pace of its trial, and of its study's starts.

A frozen process, a deadlock, a file server that never answers: none of them dies, so nobody hears of it. All times are
in seconds of a monotonic clock, which no change of the machine's time touches.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from hpo.history import Trial
from hpo.segment import Segment
from hpo.study import Workers

# of silence; a trial whose slowest report so far took 60 s may be silent for ten minutes
LEAST, TIMES_THE_SLOWEST = 60.0, 10.0
# up to the first report: of a study's first worker, which may download and tokenize a lot; and of those after it, told
# from the slowest start so far. A larger model on a busier machine may well take many times as long as any before.
FIRST_START, LEAST_START, TIMES_THE_SLOWEST_START = 6 * 3600.0, 600.0, 30.0


@dataclass
class Lease:
    segment: Segment
    slowest: float  # report of the trial, by any attempt
    limit: float
    since: float  # the worker's last word, or its start
    starting: bool = True


class Leases:
    """Those of the segments that run now."""

    def __init__(self, workers: Workers, clock: Callable[[], float] = time.monotonic) -> None:
        self.workers, self.clock = workers, clock
        self.running: dict[int, Lease] = {}  # by trial
        self.slowest_start: float | None = None  # of a worker, up to its first report

    def begin(self, segment: Segment, trial: Trial) -> None:
        """Up to the first report the worker imports, loads its data and compiles: it has longer."""
        slowest = max((evaluation.seconds for evaluation in trial.evaluations), default=0.0)
        self.running[segment.trial] = Lease(segment, slowest, self._startup(), self.clock())

    def renew(self, trial: Trial) -> None:
        """The trial has reported."""
        lease = self.running[trial.number]
        if lease.starting:
            self.slowest_start = max(self.slowest_start or 0.0, self.clock() - lease.since)
            lease.starting = False
        lease.slowest = max(lease.slowest, trial.evaluations[-1].seconds)
        lease.limit = self.workers.lease or max(LEAST, TIMES_THE_SLOWEST * lease.slowest)
        lease.since = self.clock()

    def _startup(self) -> float:
        if self.workers.startup or self.slowest_start is None:
            return self.workers.startup or FIRST_START
        return max(LEAST_START, TIMES_THE_SLOWEST_START * self.slowest_start)

    def end(self, trial: Trial) -> None:
        self.running.pop(trial.number, None)

    def overdue(self) -> list[tuple[Segment, str]]:
        """Segments whose worker is to be given up, each with the reason in one line."""
        now = self.clock()
        return [
            (lease.segment, f"no report for {now - lease.since:.0f} s, more than its lease of {lease.limit:.0f} s")
            for lease in self.running.values()
            if now - lease.since > lease.limit
        ]

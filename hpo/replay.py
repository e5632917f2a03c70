"""Whether a study decided as its own rules say: the ledger's scores, fed to a fresh searcher and scheduler."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from hpo.confirmation import best_of_search
from hpo.event import Event
from hpo.history import History
from hpo.noise_floor import floor
from hpo.schedulers.decision import Promote, Start
from hpo.schedulers.scheduler import Scheduler
from hpo.searchers.searcher import Proposal, Searcher, proposal
from hpo.study import restored_study
from hpo.wording import count


@dataclass(frozen=True)
class Difference:
    """What stands in the ledger, and what comes out now."""

    seq: int
    what: str
    then: Any
    now: Any


@dataclass
class Replayed:
    proposals: int = 0
    decisions: int = 0
    differences: list[Difference] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self, study: str) -> Iterator[str]:
        for one in self.differences:
            yield f"row {one.seq}: {one.what} was {one.then}, is {one.now}"
        taken = f"{count(self.proposals, 'proposal')} and {count(self.decisions, 'decision')} of {study} taken anew"
        yield f"{taken}: {len(self.differences)} come out otherwise" if self.differences else f"{taken}: all as before"


def replayed(events: list[Event], searcher: Searcher, scheduler: Scheduler) -> Replayed:
    """Each proposal and decision is taken anew just before its row is applied."""
    history, found = History(), Replayed()
    for event in events:
        if event.of_repeat:  # of these there is nothing to decide
            history.apply(event)
            continue
        for what, then, now in _taken_anew(event, history, searcher, scheduler):
            found.proposals += what == "params"
            found.decisions += what != "params"
            if then != now:
                found.differences.append(Difference(event.seq, what, then, now))
        history.apply(event)
        scheduler.apply(history, event)
    return found


def _taken_anew(
    event: Event, history: History, searcher: Searcher, scheduler: Scheduler
) -> Iterator[tuple[str, Any, Any]]:
    """(what, as it stands in the ledger, as it comes out now)."""
    payload = event.payload
    if event.kind == "asked":
        start = scheduler.next(history)
        if isinstance(start, Start):
            given = Proposal(dict(start.params)) if start.params is not None else proposal(searcher, history)
            yield "params", payload["params"], given.params
            yield "source", payload.get("source", ""), given.source
            yield "bracket", payload.get("bracket", 0), start.bracket
        else:
            yield "next", "a new trial", str(start)
    elif event.kind == "continued":
        now = scheduler.next(history)
        yield "promotion", event.trial, now.trial if isinstance(now, Promote) else str(now)
    elif event.kind == "enough":
        study = restored_study(history.record)
        now_over = floor(history, study.objective, study.search.trials)
        yield "end of the search", payload["reason"], now_over.reason if now_over else "to go on"
    elif event.kind == "searched":
        objective, count = restored_study(history.record).objective, len(payload["finalists"])
        yield "finalists", payload["finalists"], best_of_search(history, objective, count)
    elif event.kind == "decided":
        assert event.trial is not None
        yield "decision", payload["reason"], scheduler.judge(history, history.trials[event.trial]).reason

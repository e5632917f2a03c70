"""Why a trial is what it is: its proposal, every decision on it and its end, as they stand in the ledger."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hpo.controls import OF_A_STUDY, Verdict
from hpo.errors import UsageError
from hpo.event import Event
from hpo.searchers.searcher import CONTROL
from hpo.wording import count, short


@dataclass(frozen=True)
class Step:
    """One event of the trial in words, with the numbers that it was taken on."""

    seq: int
    kind: str
    words: str
    inputs: dict[str, Any]


def explain(
    events: list[Event], study: str, number: int, warm_start: Verdict | None = None, standing: str = ""
) -> list[Step]:
    """UsageError where there is no such trial. `warm_start` is told of a trial that an earlier study proposed.

    `standing` is where the trial is beside the Pareto front, in words.
    """
    asked = [event for event in events if event.kind == "asked" and not event.of_repeat]
    if not 0 <= number < len(asked):
        raise UsageError(
            f"study {study} has {count(len(asked), 'trial')}, there is no trial {number}; see `hpo show {study}`"
        )
    # an `asked` row has no trial number: it makes the number
    lived = _lived([event for event in events if event.trial == number])
    proposed = _proposed(asked[number], number, warm_start)
    placed = [Step(events[-1].seq, "front", standing, {})] if standing else []
    return [*proposed, *lived, *_repeated(events, number), *_judged(events, number), *placed]


def _proposed(event: Event, number: int, warm_start: Verdict | None) -> Iterator[Step]:
    payload = event.payload
    values = ", ".join(f"{name}={short(value)}" for name, value in payload["params"].items()) or "as configured"
    source = payload.get("source", "")
    words = f"trial {number:03d}: " + SOURCES.get(source, f"proposed by {payload['searcher']}")
    if source and source not in SOURCES:
        words += f", from {source}"
        words += f", whose share is {payload['share']:.0%} by now" if "share" in payload else ""
    words += f": {values}"
    if payload.get("parent"):
        trial, step = payload["parent"]
        words += f"; begins from report {step} of trial {trial:03d}"
    yield Step(
        event.seq, event.kind, words, {name: payload[name] for name in ("bracket", "share") if payload.get(name)}
    )
    if warm_start and (source == CONTROL or source.startswith(OF_A_STUDY)):
        yield Step(event.seq, event.kind, warm_start.words, {"controls": warm_start.controls})


def _lived(events: list[Event]) -> Iterator[Step]:
    decided = ""
    for event in events:
        payload = dict(event.payload)
        if event.kind == "started":
            words = f"attempt {event.attempt} starts"
            words += f" from report {payload['from_step']}" if payload["from_step"] else ""
            yield Step(event.seq, event.kind, words, {})
        elif event.kind in WORDS:
            words = WORDS[event.kind].format_map({"reason": "", "state": "", **payload})
            if event.kind == "decided":
                decided = payload["reason"]
            elif event.kind == "ended" and payload["reason"] == decided:
                words = payload["state"]  # the reason stands in the line before
            inputs = {name: value for name, value in payload.items() if isinstance(value, (int, float))}
            yield Step(event.seq, event.kind, words.strip(), inputs)


def _repeated(events: list[Event], number: int) -> Iterator[Step]:
    """Its runs with other seeds, from their beginning to their end."""
    seeds = {e.trial: e.payload["seed"] for e in events if e.kind == "asked" and e.payload.get("confirms") == number}
    for event in events:
        if event.of_repeat and event.trial in seeds and event.kind in ("asked", "lost", "raised", "ended"):
            payload = {"reason": "", "state": "", **event.payload}
            words = REPEAT_WORDS[event.kind].format_map({**payload, "seed": seeds[event.trial]})
            yield Step(event.seq, event.kind, words, {"seed": seeds[event.trial]})


def _judged(events: list[Event], number: int) -> Iterator[Step]:
    """That it was among the best of the search."""
    for event in events:
        if event.kind == "searched" and number in event.payload["finalists"]:
            place = event.payload["finalists"].index(number) + 1
            words = f"finalist {place} of {len(event.payload['finalists'])} when the search was over"
            yield Step(event.seq, event.kind, words, {"place": place})


REPEAT_WORDS = {
    "asked": "repeated with seed {seed}",
    "lost": "seed {seed}: its worker was lost: {reason}",
    "raised": "seed {seed} raised: {reason}",
    "ended": "seed {seed}: {state}: {reason}",
}
SOURCES = {CONTROL: "drawn at random as a control", "points": "one of the points to begin with"}
WORDS = {
    "decided": "{reason}",
    "paused": "waits at its rung: {reason}",
    "continued": "goes on: {reason}",
    "lost": "its worker was lost: {reason}",
    "raised": "raised: {reason}",
    "ended": "{state}: {reason}",
    "judged": "judged against the champion",
    "promoted": "promoted to the registry",
}

"""What every scheduler promises, as checks that run on a scheduler of your own too:

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_my_scheduler_keeps_the_contract(check):
        check(MyScheduler)

`build(objective=, max_epochs=, trials=, seed=, space=)` makes a scheduler; it is given those of them that it takes. A
broken promise is a `Broken` that says which. The studies are played by the simulator beside it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from functools import partial
from random import Random
from typing import Any

from hpo.domains import LogUniform, Uniform, Value
from hpo.event import Event
from hpo.history import History, State, Trial
from hpo.objective import Objective
from hpo.schedulers.decision import Decision, Next
from hpo.schedulers.scheduler import Scheduler
from hpo.simulator.simulation import Curve, Epoch, Simulation
from hpo.space import Parameter, Space, sample

Build = Callable[..., Scheduler]

TRIALS, EPOCHS = 12, 9
SCORE = Objective(maximize="score")
LOSS = Objective(minimize="loss")
SPACE = Space({"rate": Parameter(LogUniform(1e-4, 1e-1)), "share": Parameter(Uniform(0.0, 1.0))})


class Broken(AssertionError):
    """A promise that a scheduler does not keep."""


def brings_every_study_to_its_end(build: Build) -> None:
    """As many trials as asked for, each ended, none beyond its full budget, and one at least that had it."""
    for seed in range(5):
        history, events = study(build, seed=seed)
        promise(bool(history.finished), "the study never ended")
        begun = sum(trial.parent is None for trial in history.trials)
        promise(begun == TRIALS, f"{begun} of {TRIALS} trials were begun")
        for trial in history.trials:
            promise(trial.state.ended, f"trial {trial.number} is {trial.state} at the end")
            promise(not trial.evaluations or trial.evaluations[-1].epoch <= EPOCHS, "a trial had more than its budget")
        promise(any(trial.state is State.COMPLETE for trial in history.trials), "no trial had its full budget")


def decides_only_by_seed_and_events(build: Build) -> None:
    promise(study(build)[1] == study(build)[1], "the same seed gave other events")


def looks_without_touching(build: Build) -> None:
    """Asked twice, it gives the same answer, and one that was asked decides as one that was not."""
    scheduler, once = build_for(build), study(build)[1]
    twice = study(build, scheduler=Repeating(scheduler))[1]
    promise(once == twice, "to ask `judge` or `next` twice changed what came later")


def survives_a_crash_at_any_event(build: Build, seeds: range = range(3)) -> None:
    """Made anew from the events before any event, it decides ever after as the one that lived through them."""
    for seed in seeds:
        study(build, seed=seed, scheduler=Crashing(partial(build_for, build, seed=seed, trials=8)))


def survives_broken_trials(build: Build) -> None:
    """All fail, all diverge at once, all diverge at the end, half of them fail on their way."""

    def fails_late(params: Mapping[str, Value], epoch: int) -> Epoch:
        return Epoch({"score": 1.0}, error="no such file" if float(params["share"]) * epoch > 2 else None)  # type: ignore[arg-type]

    curves: dict[str, Curve] = {
        "all fail": lambda params, epoch: Epoch({}, error="no such file"),
        "all diverge": lambda params, epoch: Epoch({"score": float("nan")}),
        "all diverge at the end": lambda params, epoch: Epoch({"score": 1.0}, diverged="x" * (epoch // EPOCHS)),
        "half fail late": fails_late,
    }
    for name, curve in curves.items():
        history, _ = study(build, curve=curve)
        promise(all(trial.state.ended for trial in history.trials), f"{name}: a trial was left over")


def takes_sparse_reports(build: Build) -> None:
    """Reports may come less often than rungs, and the last one at no multiple of them."""
    for every in (2, 4, EPOCHS):
        history, _ = study(build, epochs_per_report=every)
        promise(bool(history.finished), f"a report each {every} epochs: the study never ended")


def heeds_the_direction(build: Build) -> None:
    """Large is good to `maximize` and bad to `minimize`: turned round with the metric, the same trials go on."""

    def loss(params: Mapping[str, Value], epoch: int) -> Epoch:
        said = learning(params, epoch)
        return replace(said, metrics={"loss": -said.metrics["score"]})

    up, _ = study(build)
    down, _ = study(build, objective=LOSS, curve=loss)
    ups, downs = ([(trial.state, len(trial.evaluations)) for trial in one.trials] for one in (up, down))
    promise(ups == downs, "minimize: loss decides otherwise than maximize: -loss")


def gives_plain_values(build: Build) -> None:
    for event in study(build)[1]:
        promise(json.loads(json.dumps(event.payload)) == event.payload, f"{event.payload} does not survive JSON")
        for name, value in event.payload.items():
            plain = type(value) in (int, float, str, bool, dict, list, type(None))
            promise(plain, f"{event.kind}: {name} is a {type(value).__name__}")


CHECKS: tuple[Callable[[Build], None], ...] = (
    brings_every_study_to_its_end,
    decides_only_by_seed_and_events,
    looks_without_touching,
    survives_a_crash_at_any_event,
    survives_broken_trials,
    takes_sparse_reports,
    heeds_the_direction,
    gives_plain_values,
)


def promise(kept: bool, otherwise: str) -> None:
    if not kept:
        raise Broken(otherwise)


def learning(params: Mapping[str, Value], epoch: int) -> Epoch:
    """Curves that cross, take unequal time, and now and then diverge."""
    rate, share = float(params["rate"]), float(params["share"])  # type: ignore[arg-type]
    score = 1 - abs(share - 0.6) - (0.5 + rate) / epoch + 0.05 * Random(f"{rate}/{epoch}").random()
    diverges = rate > 0.05 and epoch > 20 * share
    return Epoch({"score": score}, seconds=0.5 + share, diverged="the loss is nan" if diverges else None)


class Draws:
    """A searcher that draws."""

    def propose(self, history: History) -> dict[str, Value]:
        return sample(SPACE, Random(len(history.trials)))


def build_for(build: Build, objective: Objective = SCORE, seed: int = 0, trials: int = TRIALS) -> Scheduler:
    given = {"objective": objective, "max_epochs": EPOCHS, "trials": trials, "seed": seed, "space": SPACE}
    takes = {field.name for field in fields(build) if field.init} if isinstance(build, type) else given
    scheduler: Scheduler = build(**{name: value for name, value in given.items() if name in takes})
    return scheduler


def study(
    build: Build,
    objective: Objective = SCORE,
    curve: Curve = learning,
    seed: int = 0,
    scheduler: Scheduler | None = None,
    epochs_per_report: int = 1,
    lost: float = 0.03,
) -> tuple[History, list[Event]]:
    """A study played to its end, with three workers, of which some are lost."""
    simulation = Simulation(
        searcher=Draws(),
        scheduler=scheduler or build_for(build, objective, seed),
        objective=objective,
        curve=curve,
        max_epochs=EPOCHS,
        workers=3,
        epochs_per_report=epochs_per_report,
        lost=lost,
        seed=seed,
    )
    events: list[Event] = []
    for event in simulation.run():
        events.append(event)
        promise(len(events) < 200 * TRIALS, "the study went round in circles")
    return simulation.history, events


class Repeating:
    """Asks everything twice."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler, self.needs_checkpoints, self.rungs = scheduler, scheduler.needs_checkpoints, scheduler.rungs

    def apply(self, history: History, event: Event) -> None:
        self.scheduler.apply(history, event)

    def judge(self, history: History, trial: Trial) -> Decision:
        first = self.scheduler.judge(history, trial)
        promise(first == self.scheduler.judge(history, trial), "judged twice, it changed its mind")
        return first

    def next(self, history: History) -> Next:
        first = self.scheduler.next(history)
        promise(first == self.scheduler.next(history), "asked twice for the next, it changed its mind")
        return first


class Crashing(Repeating):
    """After each event makes one anew from the events so far, and asks all of these whatever the first is asked."""

    def __init__(self, anew: Callable[[], Scheduler]) -> None:
        super().__init__(anew())
        self.anew, self.events = anew, list[Event]()
        self.resumed: list[Scheduler] = []

    def apply(self, history: History, event: Event) -> None:
        for scheduler in (self.scheduler, *self.resumed):
            scheduler.apply(history, event)
        self.events.append(event)
        fresh, past = self.anew(), History()
        for earlier in self.events:
            past.apply(earlier)
            fresh.apply(past, earlier)
        self.resumed.append(fresh)

    def judge(self, history: History, trial: Trial) -> Decision:
        return self._all(lambda scheduler: scheduler.judge(history, trial))

    def next(self, history: History) -> Next:
        return self._all(lambda scheduler: scheduler.next(history))

    def _all(self, ask: Callable[[Scheduler], Any]) -> Any:
        said = ask(self.scheduler)
        for cut, scheduler in enumerate(self.resumed, start=1):
            promise(
                ask(scheduler) == said, f"made anew after event {cut} of {len(self.events)}, it does not say {said}"
            )
        return said

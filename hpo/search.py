"""How a study file says by which methods configurations are proposed and stopped, and how many there are."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field, field_validator

from hpo.domains import Value
from hpo.event import REPEATS
from hpo.objective import Objective
from hpo.ranges import Strict
from hpo.schedulers import GIVEN as SCHEDULER_GIVEN
from hpo.schedulers import SCHEDULERS, build_scheduler
from hpo.searchers import SEARCHERS, build_searcher, searcher_class
from hpo.searchers.searcher import Searcher
from hpo.settings import check_settings
from hpo.space import Params, Space
from hpo.spelling import did_you_mean

MOST_STUDIES = 20  # to learn from
GIVEN = ("space", "objective", "objectives", "seed", "rungs")  # to a searcher by hpo; no settings of a person's


class Search(Strict):
    searcher: str | dict[str, dict[str, Value]] = "tpe"  # or with settings: {tpe: {candidates: 50}}
    scheduler: str | dict[str, dict[str, Value]] = "asha"  # or with settings: {asha: {first_rung: 2}}
    control_share: float = Field(
        default=0.0, ge=0, le=1
    )  # of the losers, that train on; see hpo/schedulers/fidelity.py
    trials: int = Field(ge=1, lt=REPEATS)
    seed: int = Field(default=0, ge=0, lt=2**32)
    points: list[dict[str, Value]] = []  # configurations to begin with; what one leaves open is drawn
    warm_start: list[str] = Field(default=[], max_length=MOST_STUDIES)  # earlier studies to learn from

    @field_validator("searcher")
    @classmethod
    def _known_searcher(cls, searcher: str | dict[str, dict[str, Value]]) -> str | dict[str, dict[str, Value]]:
        name, settings = named(searcher, "searcher", "{tpe: {candidates: 50}}")
        if name in SEARCHERS:
            if settings:
                check_settings(name, searcher_class(name), settings, GIVEN)
        elif ":" not in name:
            raise ValueError(f"{name!r} is no searcher{did_you_mean(name, SEARCHERS)}; your own is named module:Class")
        return searcher

    @field_validator("scheduler")
    @classmethod
    def _known_scheduler(cls, scheduler: str | dict[str, dict[str, Value]]) -> str | dict[str, dict[str, Value]]:
        name, settings = named(scheduler, "scheduler", "{asha: {first_rung: 2}}")
        if name not in SCHEDULERS:
            raise ValueError(f"{name!r} is no scheduler{did_you_mean(name, SCHEDULERS)}")
        check_settings(name, SCHEDULERS[name], settings, SCHEDULER_GIVEN)
        build_scheduler(name, settings, objective=Objective(maximize="metric"), max_epochs=1000)  # its own rules
        return scheduler

    def build_searcher(
        self,
        space: Space,
        objective: Objective,
        rungs: tuple[float, ...] = (),
        past: Mapping[str, Sequence[Params]] | None = None,
        objectives: Sequence[Objective] = (),
    ) -> Searcher:
        """ValueError where the searcher, perhaps a person's own, cannot be built on this space."""
        name, settings = named(self.searcher, "searcher", "{tpe: {candidates: 50}}")
        check_settings(name, searcher_class(name), settings, GIVEN)
        return build_searcher(
            name,
            space=space,
            objective=objective,
            seed=self.seed,
            rungs=rungs,
            points=self.points,
            past=past,
            objectives=objectives,
            **settings,
        )

    @property
    def searcher_name(self) -> str:
        return self.searcher if isinstance(self.searcher, str) else next(iter(self.searcher))

    @property
    def scheduler_name(self) -> str:
        return self.scheduler if isinstance(self.scheduler, str) else next(iter(self.scheduler))


def named(method: Any, role: str, example: str) -> tuple[str, dict[str, Any]]:
    """`tpe` and `{tpe: {candidates: 50}}` alike as name and settings."""
    if isinstance(method, str):
        return method, {}
    if len(method) != 1:
        raise ValueError(f"takes one {role}, got {', '.join(method) or 'none'}; for example {example}")
    [(name, settings)] = method.items()
    return name, settings

"""The keys of a study file, each with its type and its own rule; docs/studies.md explains them."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticKnownError

from hpo.budget import Budget
from hpo.cluster import Ray
from hpo.constraints import numbers, parse
from hpo.disk import Disk
from hpo.divergence import SpikeRule
from hpo.domains import Value
from hpo.errors import DiskError, UsageError
from hpo.objective import Objective
from hpo.paths import NAME, check_name
from hpo.ranges import Range, Strict
from hpo.schedulers import build_scheduler
from hpo.schedulers.scheduler import Scheduler
from hpo.search import Search, named
from hpo.searchers.searcher import Searcher
from hpo.space import Params, Space, corners
from hpo.trainable import Trainable, build_config, config_class, resolve, resolved
from hpo.value_faults import in_words

# more than a person means, and what a check of a hostile file takes at most
MOST_PARAMETERS, MOST_CONSTRAINTS = 200, 50
MOST_OBJECTIVES = 4  # of more nearly every trial is on the front, and a hypervolume takes long


class Resources(Strict):
    """What one trial occupies; trials run side by side as far as the machine has room."""

    # auto: as many trials at once as measurements say, see hpo/packing.py; a share such as 0.5: two trials on one
    cpu: int | float | str = 1
    gpu: float | str = "auto"
    nodes: int = Field(default=1, ge=1)  # machines of one trial, with so much on each

    @field_validator("cpu")
    @classmethod
    def _cores(cls, cpu: int | float | str) -> int | float | str:
        if cpu == "auto" or isinstance(cpu, (int, float)) and (0 < cpu < 1 or cpu == int(cpu) and cpu > 0):
            return cpu
        raise ValueError(f"cpu is auto, a whole number of cores, or a share such as 0.5, got {cpu!r}")

    @field_validator("gpu")
    @classmethod
    def _share(cls, gpu: float | str) -> float | str:
        if gpu == "auto" or isinstance(gpu, (int, float)) and (0 <= gpu <= 1 or gpu == int(gpu) and gpu > 0):
            return gpu
        raise ValueError(f"gpu is auto, a share such as 0.5, or a whole number of GPUs, got {gpu!r}")

    @model_validator(mode="after")
    def _whole(self) -> "Resources":
        if self.nodes > 1 and isinstance(self.gpu, float) and 0 < self.gpu < 1:
            raise ValueError(f"gpu must be auto or a whole number beside nodes: {self.nodes}, got {self.gpu:g}; try 1")
        return self


class Workers(Strict):
    """When a worker is given up and its trial started again from its last checkpoint; see hpo/leases.py."""

    startup: float | None = Field(default=None, gt=0)  # seconds from its start to its first report; learned if None
    lease: float | None = Field(default=None, gt=0)  # seconds of silence between reports; told from the pace if None
    retries: int = Field(default=3, ge=0)  # of one trial
    isolate: bool = False  # a fresh process for each trial, for a trainable that leaks


class Tracking(Strict):
    """Views of the ledger that are written beside MLflow's; see hpo/tracking."""

    tensorboard: bool = False  # event files in studies/NAME/tensorboard
    wandb: bool = False  # offline runs of Weights & Biases in studies/NAME/wandb


class Gates(Strict):
    """What the winner must show on the sealed test split before it becomes champion; see hpo/registry/gates.py."""

    minimum_gain: float = 0.0  # over the champion, by the objective's metric, surely and not by luck of the rows
    worst_class_drop: float | None = Field(default=None, ge=0)  # of any class's F1 against the champion
    size_mb: float | None = Field(default=None, gt=0)  # 10^6 bytes, of all files of the model
    latency_ms: float | None = Field(default=None, gt=0)  # of one row, on the machine that promotes
    calibration_error: float | None = Field(default=None, gt=0, le=1)


class Registry(Strict):
    """The name under which `hpo promote` registers the winner, and what it must show."""

    model: str = Field(pattern=f"^{NAME.pattern}$")
    gates: Gates = Gates()


class Confirm(Strict):
    """`{finalists: 3, seeds: 3}`: the best trials of the search are trained again, each with the same fresh seeds."""

    finalists: int = Field(default=3, ge=1, le=20)
    seeds: int = Field(default=3, ge=2, le=100)  # one alone would say nothing of how far seeds move a score


class Study(Strict):
    """One search, as its YAML file describes it."""

    study: str
    trainable: str
    objectives: list[Objective] = []  # where there are several; before `objective`, which is then the first of them
    objective: Objective = Field(default=None, validate_default=True)
    config: dict[str, Any] = {}
    search_space: dict[str, Range] = Field(default={}, max_length=MOST_PARAMETERS)  # empty for a study of one trial
    constraints: list[str] = Field(default=[], max_length=MOST_CONSTRAINTS)  # batch_size * max_length <= 8192
    meant: list[str] = []  # rules of hpo/space_lint.py that this study breaks on purpose
    search: Search
    resources: Resources = Resources()
    workers: Workers = Workers()
    divergence: SpikeRule = SpikeRule()
    ray: Ray = Ray()
    disk: Disk = Disk()
    budget: Budget = Budget()
    confirm: Confirm | None = None
    registry: Registry | None = None
    tracking: Tracking = Tracking()

    @field_validator("study")
    @classmethod
    def _name(cls, name: str) -> str:
        try:
            return check_name(name)
        except UsageError as error:
            raise ValueError(str(error)) from None

    @field_validator("objectives")
    @classmethod
    def _several(cls, objectives: list[Objective]) -> list[Objective]:
        metrics = [one.metric for one in objectives]
        if not 2 <= len(metrics) <= MOST_OBJECTIVES:
            raise ValueError(
                f"takes 2 to {MOST_OBJECTIVES}, got {len(metrics)}; of one write `objective: {{maximize: f1_weighted}}`"
            )
        if twice := [one for one in metrics if metrics.count(one) > 1]:
            raise ValueError(f"names {twice[0]} twice; keep one")
        return objectives

    @field_validator("objective", mode="before")
    @classmethod
    def _first(cls, objective: Any, info: ValidationInfo) -> Any:
        """Of several the first: what is shown where there is room for one, and what tells a trial's best report."""
        several = info.data.get("objectives")
        if objective is not None:
            if several:
                raise ValueError("stands beside `objectives`, which names them all; keep one of the two")
            return objective
        if several == []:
            raise PydanticKnownError("missing")
        return several[0] if several else Objective(maximize="metric")  # `objectives` is refused already

    @field_validator("constraints")
    @classmethod
    def _readable(cls, constraints: list[str]) -> list[str]:
        for text in constraints:
            parse(text)
        return constraints

    @model_validator(mode="after")
    def _something_to_search(self) -> "Study":
        if not self.search_space and self.search.trials > 1:
            raise ValueError(f"search_space is empty, so trials must be 1, got {self.search.trials}; name a parameter")
        return self

    @property
    def aims(self) -> tuple[Objective, ...]:
        """All objectives, also where there is one."""
        return tuple(self.objectives) or (self.objective,)

    @property
    def keep(self) -> int:
        """Of how many trials the best checkpoint stays while the study goes on: each finalist may be chosen.

        Of several objectives at most: those on the front stay, and all trials may be there.
        """
        if self.objectives:
            return self.search.trials
        return max(self.disk.keep, self.confirm.finalists if self.confirm else 1)

    @property
    def repeats(self) -> int:
        """Runs over the full budget that repeat a trial with another seed; no cap ends them."""
        return (self.confirm.finalists * self.confirm.seeds if self.confirm else 0) + (self.budget.noise_repeats or 0)

    @property
    def space(self) -> Space:
        parameters = {name: entry.parameter() for name, entry in self.search_space.items()}
        return Space(parameters, tuple(parse(text, numbers(self.config)) for text in self.constraints))

    def load_trainable(self) -> Trainable:
        trainable: Trainable = resolve(self.trainable)
        return trainable

    @property
    def max_epochs(self) -> int | None:
        """The full budget of a trial; None where it is searched, or not what the trainable calls it."""
        return None if "max_epochs" in self.search_space else getattr(self.first_config(), "max_epochs", None)

    def build_searcher(self, past: Mapping[str, Sequence[Params]] | None = None) -> Searcher:
        """`past` is what the study's record took over from earlier ones: `History.past`."""
        rungs: tuple[float, ...] = getattr(self.build_scheduler(), "rungs", ())
        return self.search.build_searcher(self.space, self.objective, rungs, past, self.objectives)

    def build_scheduler(self) -> Scheduler:
        name, settings = named(self.search.scheduler, "scheduler", "{asha: {first_rung: 2}}")
        return build_scheduler(
            name,
            settings,
            control_share=self.search.control_share,
            objective=self.objective,
            max_epochs=self.max_epochs,
            trials=self.search.trials,
            seed=self.search.seed,
            space=self.space,
        )

    def first_config(self) -> Any:
        return self.trial_config(corners(self.space)[0])

    def trial_config(self, params: dict[str, Value]) -> Any:
        """The frozen config object of one trial."""
        return build_config(config_class(self.load_trainable()), resolved(self.config, params))


def restored_study(record: dict[str, Any]) -> Study:
    """The study as its ledger recorded it; it was checked when it was started.

    DiskError where the record is lost, UsageError where another hpo wrote it.
    """
    spec = record.get("spec")
    if not isinstance(spec, dict):
        raise DiskError("the ledger is damaged: the study's own record is lost; `hpo doctor` says what can be saved")
    try:
        return Study.model_validate(spec)
    except ValidationError as error:
        field = ".".join(map(str, error.errors()[0]["loc"]))
        raise UsageError(
            f"the ledger of study {spec.get('study')} has settings that this hpo does not read: {field}: "
            f"{in_words(error.errors())}; use the hpo that wrote it"
        ) from None

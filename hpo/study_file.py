"""The study a YAML file describes, checked in full before anything is started."""

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from hpo.errors import UsageError
from hpo.objective import Objective
from hpo.paths import NAME, check_name
from hpo.schedulers import SCHEDULERS, Scheduler
from hpo.searchers import SEARCHERS
from hpo.space import DOMAINS, Choice, Parameter, Space, Value, corners, parents_first
from hpo.spelling import did_you_mean
from hpo.trainable import ConfigError, Trainable, build_config, check_config, config_class, resolve, resolved
from hpo.yaml_source import Key, Source, parse_scalar


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Range(Strict):
    """One parameter of the search space: exactly one domain, and optionally the condition `when`."""

    uniform: list[float] | None = None
    log_uniform: list[float] | None = None
    integer: list[int] | None = None
    log_integer: list[int] | None = None
    choice: list[Value] | None = None
    when: dict[str, list[Value]] = {}

    @model_validator(mode="after")
    def _valid(self) -> "Range":
        given = [name for name in DOMAINS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"takes exactly one of {', '.join(DOMAINS)}, got {', '.join(given) or 'none'}")
        kind, values = given[0], getattr(self, given[0])
        if kind == "choice":
            if len(values) < 2 or len({(type(value), value) for value in values}) != len(values):
                raise ValueError(f"choice takes two or more different values, got {values}")
            return self
        if len(values) != 2:
            raise ValueError(f"{kind} takes [low, high], got {values}")
        low, high = values
        if low >= high:
            raise ValueError(f"{kind} takes [low, high] with low < high, got {values}; turn them round")
        if kind.startswith("log") and low <= 0:
            raise ValueError(f"{kind} needs low > 0, got {values}; begin at {high / 1000:g} or use {kind[4:]}")
        return self

    def parameter(self) -> Parameter:
        kind = next(name for name in DOMAINS if getattr(self, name) is not None)
        values = getattr(self, kind)
        domain = Choice(tuple(values)) if kind == "choice" else DOMAINS[kind](*values)
        return Parameter(domain, tuple((name, tuple(allowed)) for name, allowed in self.when.items()))


class Search(Strict):
    """How configurations are proposed and stopped, and how many there are."""

    searcher: str = "tpe"
    scheduler: str | dict[str, dict[str, int]] = "asha"  # or with settings: {asha: {first_rung: 2}}
    trials: int = Field(ge=1)
    seed: int = Field(default=0, ge=0, lt=2**32)

    @field_validator("searcher")
    @classmethod
    def _known_searcher(cls, name: str) -> str:
        if name not in SEARCHERS:
            raise ValueError(f"{name!r} is no searcher{did_you_mean(name, SEARCHERS)}")
        return name

    @field_validator("scheduler")
    @classmethod
    def _known_scheduler(cls, scheduler: str | dict[str, dict[str, int]]) -> str | dict[str, dict[str, int]]:
        named = {scheduler: {}} if isinstance(scheduler, str) else scheduler
        if len(named) != 1:
            raise ValueError(
                f"takes one scheduler, got {', '.join(named) or 'none'}; for example {{asha: {{first_rung: 2}}}}"
            )
        [(name, settings)] = named.items()
        if name not in SCHEDULERS:
            raise ValueError(f"{name!r} is no scheduler{did_you_mean(name, SCHEDULERS)}")
        known = {field.name for field in fields(SCHEDULERS[name])} - {"objective", "max_epochs"}
        for setting in settings:
            if setting not in known:
                raise ValueError(f"{setting!r} is no setting of {name}{did_you_mean(setting, known)}")
        SCHEDULERS[name](objective=Objective(maximize="metric"), **settings)  # its own rules on the values
        return scheduler


class Resources(Strict):
    """What one trial occupies; trials run side by side as far as the machine has room."""

    cpu: int = Field(default=1, ge=1)
    gpu: float | str = "auto"  # auto: one whole GPU where there is one; 0.5: two trials share a GPU

    @field_validator("gpu")
    @classmethod
    def _share(cls, gpu: float | str) -> float | str:
        if gpu == "auto" or isinstance(gpu, (int, float)) and (0 <= gpu <= 1 or gpu == int(gpu) and gpu > 0):
            return gpu
        raise ValueError(f"gpu is auto, a share such as 0.5, or a whole number of GPUs, got {gpu!r}")


class Registry(Strict):
    """The name under which `hpo promote` registers the winner."""

    model: str = Field(pattern=f"^{NAME.pattern}$")


class Study(Strict):
    """One search, as its YAML file describes it."""

    study: str
    trainable: str
    objective: Objective
    config: dict[str, Any] = {}
    search_space: dict[str, Range] = {}  # empty for a study of one trial
    search: Search
    resources: Resources = Resources()
    registry: Registry | None = None

    @field_validator("study")
    @classmethod
    def _name(cls, name: str) -> str:
        try:
            return check_name(name)
        except UsageError as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _something_to_search(self) -> "Study":
        if not self.search_space and self.search.trials > 1:
            raise ValueError(f"search_space is empty, so trials must be 1, got {self.search.trials}; name a parameter")
        return self

    @property
    def space(self) -> Space:
        return {name: entry.parameter() for name, entry in self.search_space.items()}

    def load_trainable(self) -> Trainable:
        trainable: Trainable = resolve(self.trainable)
        return trainable

    def build_scheduler(self) -> Scheduler:
        scheduler = self.search.scheduler
        named: dict[str, dict[str, int]] = {scheduler: {}} if isinstance(scheduler, str) else scheduler
        [(name, settings)] = named.items()
        budget = None if "max_epochs" in self.search_space else getattr(self.first_config(), "max_epochs", None)
        return SCHEDULERS[name](objective=self.objective, max_epochs=budget, **settings)

    def first_config(self) -> Any:
        return self.trial_config(corners(self.space)[0])

    def trial_config(self, params: dict[str, Value]) -> Any:
        """The frozen config object of one trial."""
        return build_config(config_class(self.load_trainable()), resolved(self.config, params))


def load_study(path: Path, overrides: list[str] | None = None, name: str | None = None) -> Study:
    """Read, override, check: every name, type, range and condition, and the config at the ends of each range."""
    source = Source(path)
    if not isinstance(source.data, dict):
        raise source.error((), "a study file is a mapping that begins with `study: NAME`")
    for override in overrides or []:
        _override(source, override)
    if name is not None:
        source.data["study"] = check_name(name)
    try:
        study = Study.model_validate(source.data)
    except ValidationError as error:
        raise _first_error(source, error) from None
    _check_space(source, study)
    _check_config(source, study)
    return study


def restored_study(spec: dict[str, Any]) -> Study:
    """The study as its ledger recorded it; it was checked when it was started."""
    return Study.model_validate(spec)


def refuse_lost_trainable(study: Study) -> None:
    """UsageError where the trainable that the study was started with is no longer there, or takes other settings."""
    try:
        config_class(study.load_trainable())
        study.first_config()
    except ValueError as error:
        raise UsageError(f"study {study.study}: trainable {study.trainable}: {error}") from None


def _override(source: Source, override: str) -> None:
    dotted, equals, value = override.partition("=")
    if not equals:
        raise UsageError(f"--set takes key=value, got {override!r}; for example --set search.trials=4")
    *groups, leaf = dotted.split(".")
    place = source.data
    for group in groups:
        place = place.setdefault(group, {})
        if not isinstance(place, dict):
            raise UsageError(f"--set {override}: {group} is no group of settings")
    place[leaf] = parse_scalar(value)


TYPE_TRIED = re.compile(r"(str|float|int|bool|dict\[.*)$")


def _first_error(source: Source, error: ValidationError) -> UsageError:
    # a misspelt key is also a missing one: the first says more
    first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    # of a field that takes one of several types, pydantic also names the type it tried
    key: Key = tuple(part for part in first["loc"] if not (isinstance(part, str) and TYPE_TRIED.match(part)))
    reason = str(first["msg"]).removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        model: type[BaseModel] = Study
        for part in key[:-1]:
            model = Range if part in (source.data.get("search_space") or {}) else _model(model, part)
        return source.error(key, f"is no key here{did_you_mean(str(key[-1]), model.model_fields)}")
    if first["type"] == "missing":
        return source.error(key, "is missing; docs/studies.md has an example")
    if first["type"] == "value_error":
        return source.error(key, reason)
    got = json.dumps(first["input"], default=str, ensure_ascii=False)
    return source.error(key, f"{reason[0].lower()}{reason[1:]}, got {got if len(got) < 80 else got[:77] + '...'}")


def _model(model: type[BaseModel], part: str | int) -> type[BaseModel]:
    field = model.model_fields.get(str(part))
    annotation = field.annotation if field else None
    candidates = [annotation, *getattr(annotation, "__args__", ())]
    return next((item for item in candidates if isinstance(item, type) and issubclass(item, BaseModel)), model)


def _check_space(source: Source, study: Study) -> None:
    for name, parameter in study.space.items():
        for parent, allowed in parameter.when:
            key: Key = ("search_space", name, "when", parent)
            if parent not in study.search_space:
                raise source.error(key, f"is no searched parameter{did_you_mean(parent, study.search_space)}")
            domain = study.space[parent].domain
            if isinstance(domain, Choice) and not set(allowed) <= set(domain.values):
                wrong = next(value for value in allowed if value not in domain.values)
                raise source.error(key, f"{wrong!r} is no choice of {parent}: {', '.join(map(str, domain.values))}")
    try:
        parents_first(study.space)
    except ValueError as error:
        raise source.error(("search_space",), str(error)) from None


def _check_config(source: Source, study: Study) -> None:
    """Every end of every range must be a value that the trainable takes: no trial is lost to it later."""
    try:
        trainable = study.load_trainable()
        cls = config_class(trainable)
    except ValueError as error:
        raise source.error(("trainable",), str(error)) from None
    for params in corners(study.space):
        try:
            check_config(trainable, build_config(cls, resolved(study.config, params)))
        except ConfigError as error:
            searched = ".".join(map(str, error.key)) in study.search_space
            place: Key = ("search_space", ".".join(map(str, error.key))) if searched else ("config", *error.key)
            raise source.error(place, error.reason) from None
    for name in study.space:
        if name in study.config:
            raise source.error(("config", name), "is both fixed here and searched in search_space; keep one")

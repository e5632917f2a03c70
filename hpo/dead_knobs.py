"""Finds parameters that change nothing: the first report is the same at every end of their range.

Searching one of these wastes its share of every trial, and mostly it is misspelt, shadowed or never read. Works with
any trainable through its generator, which is closed after its first report; a module that defines `probe(config)` gives
a config whose first report comes soon. What acts only later, as patience does, looks dead too: hence a warning.
"""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from hpo.domains import Value
from hpo.space import ends
from hpo.study import Study
from hpo.trainable import module_of

SECONDS = 120.0  # after which no further run is begun


@dataclass
class Probe:
    """First reports by configuration, and which settings were read up to them."""

    study: Study
    reads: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.trainable = self.study.load_trainable()
        self.shrink = getattr(module_of(self.trainable), "probe", lambda config: config)

    def first_report(self, params: dict[str, Value]) -> dict[str, float]:
        """Its metrics; none where it gave no report. Raises what the trainable raises."""
        config = self.shrink(self.study.trial_config(params))
        with watched(config, self.reads), closing(self.trainable(config)) as run:
            report = next(run, None)
            return {name: float(value) for name, value in report.metrics.items()} if report else {}


def dead_knobs(study: Study, seconds: float = SECONDS) -> Iterator[str]:
    """A warning for each; and one where the time was up, or a run failed."""
    probe, until = Probe(study), time.monotonic() + seconds
    names = list(study.space.varied)
    if not names:
        return
    try:
        repeatable = same(*(probe.first_report(ends(study.space, names[0])[0]) for _ in range(2)))
        if not repeatable:
            yield "the same configuration gives no metric twice alike, so idle parameters cannot be told; set a seed"
            return
        while names and time.monotonic() < until:
            name = names.pop(0)
            corners = ends(study.space, name)
            first = probe.first_report(corners[0])
            others = (probe.first_report(params) for params in corners[1:])
            if all(same(first, other) >= repeatable for other in others):
                why = "it has been read, and may act later" if name in probe.reads else "nothing reads it"
                yield f"{name}: the first report is the same at both ends of its range; {why}"
    except Exception as error:
        yield f"a first report failed: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
        return
    if names:
        yield f"not tried for want of time, {seconds:.0f} s: {', '.join(names)}"


def same(one: dict[str, float], other: dict[str, float]) -> set[str]:
    """Metrics that are equal in both."""
    return {name for name in one if name in other and repr(one[name]) == repr(other[name])}


@contextmanager
def watched(config: Any, reads: set[str]) -> Iterator[None]:
    """Notes the dotted names of the settings that are looked at.

    The class itself looks up otherwise meanwhile: a trainable may ask for the type of its config.
    """

    def watch(cls: type, group: str) -> None:
        names = {of.name for of in fields(cls)}

        def look_up(self: Any, name: str) -> Any:
            if name in names:
                reads.add(f"{group}{name}")
            return object.__getattribute__(self, name)

        type.__setattr__(cls, "__getattribute__", look_up)

    groups = {type(config): ""} | {
        type(value): f"{name}." for name, value in vars(config).items() if is_dataclass(value)
    }
    before = {cls: cls.__dict__.get("__getattribute__") for cls in groups}
    for cls, group in groups.items():
        watch(cls, group)
    try:
        yield
    finally:
        for cls, old in before.items():
            if old is None:
                type.__delattr__(cls, "__getattribute__")
            else:
                type.__setattr__(cls, "__getattribute__", old)

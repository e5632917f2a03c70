"""Every name that a study file may hold, each in a file in which it can be misspelt.

`▸` marks where the name's fault must be found, and `¤` stands for the name.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from hpo.disk import Disk
from hpo.divergence import SpikeRule
from hpo.objective import Objective
from hpo.ranges import NormalRange, PriorRange, Range
from hpo.schedulers import GIVEN as TO_SCHEDULERS
from hpo.schedulers import SCHEDULERS
from hpo.search import GIVEN as TO_SEARCHERS
from hpo.search import Search
from hpo.searchers import SEARCHERS, searcher_class
from hpo.study import Confirm, Gates, Registry, Resources, Study, Workers
from tests.toy import ToyConfig
from train_fn.config import ImageConfig, PseudoLabelConfig, TextConfig
from train_fn.data import CleaningConfig, ImageDataConfig, TableDataConfig, TextDataConfig
from train_fn.metrics import HIGHER_IS_BETTER
from train_fn.tabular import TabularConfig

TOY = """\
study: toy
trainable: tests.toy:epochs
objective: {maximize: score}
config:
  max_epochs: 3
search_space:
  x: {uniform: [-5, 5]}
  y: {uniform: [0.0, 1.0], when: {kind: [plain]}}
  kind: {choice: [plain, fancy]}
search: {searcher: random, scheduler: fifo, trials: 2}
"""
TEXT = """\
study: texts
trainable: train_fn.text:epochs
objective: {maximize: f1_macro}
config:
  data: {source: docstrings}
  model: tiny
search_space:
  learning_rate: {log_uniform: [1e-5, 1e-3]}
search: {trials: 2}
"""
TRAINABLES = {
    "train_fn.text:epochs": (TextConfig, TextDataConfig),
    "train_fn.images:epochs": (ImageConfig, ImageDataConfig),
    "train_fn.tabular:epochs": (TabularConfig, TableDataConfig),
    "train_fn.pseudo_labels:epochs": (PseudoLabelConfig, TextDataConfig),
}


@dataclass(frozen=True)
class Slot:
    name: str
    text: str

    def misspelt(self, wrong: str) -> str:
        return self.text.replace("¤", wrong)


def slots() -> list[Slot]:
    return [*keys(), *settings(), *words()]


def keys() -> Iterator[Slot]:
    groups = {
        "objective": Objective,
        "search": Search,
        "resources": Resources,
        "workers": Workers,
        "divergence": SpikeRule,
        "disk": Disk,
        "confirm": Confirm,
        "registry": Registry,
    }
    for name in Study.model_fields:
        yield Slot(name, f"{TOY}▸¤: 1\n")
    for group, model in groups.items():
        rest = "".join(line for line in TOY.splitlines(keepends=True) if not line.startswith(group))
        for name in model.model_fields:
            yield Slot(name, f"{rest}{group}: {{▸¤: 1}}\n")
    for name in Gates.model_fields:
        yield Slot(name, f"{TOY}registry: {{model: toy, gates: {{▸¤: 1}}}}\n")
    for name in Range.model_fields:
        yield Slot(name, TOY.replace("{uniform: [-5, 5]}", "{▸¤: 1}"))
    for name in NormalRange.model_fields:
        yield Slot(name, TOY.replace("{uniform: [-5, 5]}", "{normal: {▸¤: 1}}"))
    for name in PriorRange.model_fields:
        yield Slot(name, TOY.replace("[-5, 5]}", "[-5, 5], prior: {▸¤: 1}}"))


def settings() -> Iterator[Slot]:
    """Fields of the trainables' configs, fixed and searched, of data and of cleaning; settings of all methods."""
    for field in fields(ToyConfig):
        yield Slot(field.name, TOY.replace("  max_epochs: 3", "  ▸¤: 1"))
    for trainable, (config, data) in TRAINABLES.items():
        text = TEXT.replace("train_fn.text:epochs", trainable)
        for field in fields(config):
            yield Slot(field.name, text.replace("  model: tiny", "  ▸¤: 1"))
            yield Slot(field.name, text.replace("  model: tiny\n", "").replace("  learning_rate:", "  ▸¤:"))
        for field in fields(data):
            yield Slot(field.name, text.replace("{source: docstrings}", "{source: docstrings, ▸¤: 1}"))
        for field in fields(CleaningConfig):
            yield Slot(field.name, text.replace("docstrings}", "docstrings, cleaning: {▸¤: drop}}"))
    methods = {"searcher": (map(searcher_class, SEARCHERS), SEARCHERS, TO_SEARCHERS)}
    methods["scheduler"] = (map(SCHEDULERS.get, SCHEDULERS), SCHEDULERS, TO_SCHEDULERS)
    for role, (classes, names, given) in methods.items():
        for cls, name in zip(classes, names, strict=True):
            for field in fields(cls):
                if field.name not in given and field.init:
                    yield Slot(field.name, of_search(f"▸{role}: {{{name}: {{¤: 3}}}}"))


def words() -> Iterator[Slot]:
    """Values that are one of a few."""
    for name in SEARCHERS:
        yield Slot(name, of_search("▸searcher: ¤"))
    for name in SCHEDULERS:
        yield Slot(name, of_search("▸scheduler: ¤"))
    for name in ("plain", "fancy"):
        yield Slot(name, TOY.replace("kind: [plain]", "▸kind: [¤]"))
    for name in ("x", "y", "kind"):
        yield Slot(name, TOY.replace("{uniform: [-5, 5]}", "{uniform: [-5, 5], when: {▸¤: [1]}}"))
    for trainable in TRAINABLES:
        yield Slot(trainable, TEXT.replace("trainable: train_fn.text:epochs", "▸trainable: ¤"))
    for task, metrics in HIGHER_IS_BETTER.items():
        query = ", query: query" if task == "ranking" else ""
        text = TEXT.replace("docstrings}", f"docstrings, task: {task}{query}}}")
        for name in metrics:
            yield Slot(name, text.replace("maximize: f1_macro", "▸maximize: ¤"))
    for name, value in literals(TextConfig):
        yield Slot(value, TEXT.replace("  model: tiny", f"  ▸{name}: ¤"))
        yield Slot(value, TEXT.replace("  learning_rate:", f"  ▸{name}: {{choice: [¤, 1]}}\n  learning_rate:"))
    for name, value in literals(TextDataConfig):
        yield Slot(value, TEXT.replace("docstrings}", f"docstrings, ▸{name}: ¤}}"))
    for name, value in literals(CleaningConfig):
        yield Slot(value, TEXT.replace("docstrings}", f"docstrings, cleaning: {{▸{name}: ¤}}}}"))


def of_search(entry: str) -> str:
    return TOY[: TOY.index("search: ")] + f"search: {{trials: 2, {entry}}}\n"


def literals(cls: Any) -> Iterator[tuple[str, str]]:
    for name, annotation in get_type_hints(cls).items():
        if get_origin(annotation) is Literal:
            for value in get_args(annotation):
                yield name, value

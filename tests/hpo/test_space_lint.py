"""What is allowed and yet seldom meant is said once before the start, with a way out; so are idle parameters."""

from pathlib import Path
from typing import Any

import pytest

from hpo.dead_knobs import dead_knobs
from hpo.errors import UsageError
from hpo.space_lint import RULES, lint
from hpo.study import Study
from hpo.study_file import load_study

PROJECT = Path(__file__).parents[2]

OWN = """\
from dataclasses import dataclass
from train_fn import Report

DECAYING = {"schedule": ("cosine",)}


@dataclass(frozen=True, kw_only=True)
class Group:
    size: int = 4
    unread: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Config:
    rate: float = 0.1
    rows: int = 10
    layers: int = 2
    schedule: str = "constant"
    data: Group = Group()
    unread: float = 0.0
    patience: int = 1
    max_epochs: int = 9


def epochs(config, resume_from=None):
    for epoch in range(1, config.max_epochs + 1):
        loss = config.rate * config.rows + config.data.size + (epoch > 1) * config.patience + (config.schedule == "wsd")
        yield Report(epoch=epoch, metrics={"loss": loss, "layers": float(config.layers), "time/epoch": NOISE()})


epochs.__annotations__["config"] = Config
from random import random as NOISE  # noqa: E402
"""


@pytest.fixture
def study(folder: Path) -> Any:
    def build(space: str, more: str = "", search: str = "{trials: 4}") -> Study:
        (folder / "linted.py").write_text(OWN)
        (folder / "own.yaml").write_text(
            f"study: own\ntrainable: linted:epochs\nobjective: {{minimize: loss}}\nsearch_space: {{{space}}}\n"
            f"search: {search}\n{more}\n"
        )
        return load_study(folder / "own.yaml")

    return build


SUSPECT = [
    ("wide", "rate: {uniform: [0.0001, 1.0]}", "", "{trials: 4}", "spans 4.0 decades; log_uniform tries each"),
    ("wide", "rows: {integer: [1, 1000]}", "", "{trials: 4}", "spans 3.0 decades; log_integer tries each"),
    ("narrow", "rate: {uniform: [0.1, 0.10001]}", "", "{trials: 4}", "rate: 0.1 to 0.10001 is hardly a range"),
    ("few", "layers: {integer: [1, 3]}", "", "{trials: 4}", "4 trials are more than there are configurations, 3"),
    ("rare", "rate: {uniform: [0.0, 1.0]}", "constraints: ['rate > 0.995']", "{trials: 4}", "0.3% of random"),
    ("idle", "layers: {integer: [1, 2]}, rate: {uniform: [0.0, 1.0], when: {layers: [1, 2]}}", "", "{trials: 4}",
     "rate: `when` names all values of layers"),
    ("prior", "rate: {uniform: [0.0, 1.0], prior: 0.5}", "", "{searcher: random, trials: 4}", "random search heeds no"),
    ("decay", "schedule: {choice: [cosine, wsd]}, rate: {uniform: [0.0, 1.0]}", "", "{trials: 4}",
     "asha compares trials from epoch 1 on, where the learning rate of schedule cosine is still high"),
    ("decay", "rate: {uniform: [0.0, 1.0]}", "config: {schedule: cosine}", "{scheduler: hyperband, trials: 4}",
     "hyperband compares trials from epoch 1 on"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "space", "more", "search", "said"), SUSPECT, ids=[one[0] for one in SUSPECT])
def test_what_is_seldom_meant_is_told_once(
    study: Any, rule: str, space: str, more: str, search: str, said: str
) -> None:
    [warning] = lint(study(space, more, search))
    assert said in warning and warning.isprintable()
    assert lint(study(space, f"{more}\nmeant: [{rule}]", search)) == []


@pytest.mark.parametrize(
    ("space", "more", "search"),
    [
        ("rate: {log_uniform: [0.0001, 1.0]}", "", "{trials: 4}"),
        ("rate: {uniform: [0.0, 1.0]}", "", "{trials: 4}"),
        ("rate: {uniform: [0.5, 1.0], prior: 0.5}", "", "{trials: 4}"),
        ("layers: {integer: [1, 4]}", "", "{trials: 4}"),
        ("schedule: {choice: [cosine, wsd]}, rate: {uniform: [0.0, 1.0]}", "", "{scheduler: fifo, trials: 4}"),
        ("rate: {uniform: [0.0, 1.0]}", "config: {schedule: wsd}", "{trials: 4}"),
    ],
)
def test_what_is_usual_is_not_warned_of(study: Any, space: str, more: str, search: str) -> None:
    assert lint(study(space, more, search)) == []


def test_a_warning_that_there_is_none_of_cannot_be_meant(study: Any) -> None:
    with pytest.raises(UsageError, match=r"meant\.0: 'decays' is no warning; did you mean decay\?"):
        study("rate: {uniform: [0.0, 1.0]}", "meant: [decays]")


@pytest.mark.parametrize("path", sorted((PROJECT / "search_spaces").glob("*.yaml")), ids=lambda path: path.name)
def test_our_own_studies_pass_or_say_what_they_mean(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    study = load_study(path)
    assert lint(study) == []
    for rule in study.meant:
        assert list(RULES[rule](study)), f"{path.name} says that it means {rule}, and does not need to"


def test_parameters_that_change_nothing_are_found(study: Any) -> None:
    space = (
        "rate: {uniform: [0.1, 1.0]}, data.size: {integer: [1, 9]}, layers: {integer: [1, 9]}, "
        "schedule: {choice: [constant, cosine, wsd]}, "
        "unread: {uniform: [0.0, 1.0]}, data.unread: {uniform: [0.0, 1.0]}, patience: {integer: [0, 3]}"
    )
    found = dict(warning.split(": ", 1) for warning in dead_knobs(study(space)))
    same = "the first report is the same at both ends of its range; "
    assert found == {
        "unread": f"{same}nothing reads it",
        "data.unread": f"{same}nothing reads it",
        "patience": f"{same}it has been read, and may act later",
    }


def test_looking_for_them_leaves_the_classes_as_they_were(study: Any) -> None:
    own = study("rate: {uniform: [0.1, 1.0]}")
    cls = type(own.first_config())
    list(dead_knobs(own))
    assert "__getattribute__" not in cls.__dict__ and "__getattribute__" not in type(own.first_config().data).__dict__


def test_when_the_time_is_up_it_says_what_was_not_tried(study: Any) -> None:
    [said] = dead_knobs(study("rate: {uniform: [0.1, 1.0]}, unread: {uniform: [0.0, 1.0]}"), seconds=0.0)
    assert said == "not tried for want of time, 0 s: rate, unread"


def test_a_trainable_that_breaks_is_told_in_one_line(study: Any, folder: Path) -> None:
    own = study("rate: {uniform: [0.1, 1.0]}")
    import linted  # type: ignore[import-not-found]

    linted.NOISE = lambda: 1 / 0
    assert list(dead_knobs(own)) == ["a first report failed: ZeroDivisionError: division by zero"]

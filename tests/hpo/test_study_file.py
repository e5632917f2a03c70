"""A bad study file gets one line: file, line, column, field, reason, way out."""

import json
from pathlib import Path
from random import Random

import pytest

from hpo.domains import Choice, Uniform
from hpo.errors import UsageError
from hpo.space import Parameter, Space, corners
from hpo.study_file import load_study
from hpo.yaml_source import parse_value
from tests.hpo.bad_study_files import BAD
from tests.hpo.known_names import TEXT, TOY


def load(folder: Path, text: str, **settings: object) -> object:
    path = folder / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return load_study(path, **settings)  # type: ignore[arg-type]


def test_a_good_file_loads(tmp_path: Path) -> None:
    study = load(tmp_path, TOY)
    assert (study.study, study.search.trials, study.objective.metric) == ("toy", 2, "score")  # type: ignore[attr-defined]


@pytest.mark.parametrize("number", range(len(BAD)), ids=lambda number: f"{BAD[number].family}-{number}")
def test_a_bad_file_is_refused_with_its_place_and_the_way_out(tmp_path: Path, number: int) -> None:
    bad, path = BAD[number], tmp_path / "study.yaml"
    path.write_bytes(bad.raw)
    with pytest.raises(UsageError) as caught:
        load_study(path)
    message = str(caught.value)
    assert message.startswith(f"{path}{bad.place}: ")
    assert bad.said in message
    assert message.isprintable()  # one line


def test_there_are_five_hundred_different_bad_files() -> None:
    assert len({bad.raw for bad in BAD}) >= 500


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5), ("1.0e-3", 1e-3), (".5", 0.5), ("5.", 5.0), ("+1E+2", 100.0), ("-2", -2), ("+7", 7), ("0", 0),
        ("0x1F", 31), ("0o17", 15), ("9223372036854775807", 2**63 - 1), ("on", "on"), ("yes", "yes"), ("n", "n"),
        ("12:30:45", "12:30:45"), ("1_000", "1_000"), ("0b11", "0b11"), ("2019-01-01", "2019-01-01"),
        ("1e", "1e"), ("=", "="), ("true", True), ("False", False), ("~", None), ("", None), ("NULL", None),
        ("'1e-5'", "1e-5"), ('"\\u202e"', "\u202e"), ("|\n 3\n", "3\n"),
    ],
)  # fmt: skip
def test_scalars_are_those_of_yaml_1_2(tmp_path: Path, text: str, value: object) -> None:
    from hpo.yaml_source import Source

    path = tmp_path / "scalar.yaml"
    path.write_text(f"key: {text}\n")
    assert Source(path).data == {"key": value}


def test_numbers_are_those_that_python_writes(tmp_path: Path) -> None:
    """Whatever json writes is read back as the same number: JSON is YAML."""
    random = Random(0)
    written = [random.uniform(-1, 1) * 10 ** random.randint(-300, 300) for _ in range(500)]
    written += [random.randint(-(2**63), 2**63 - 1) for _ in range(500)]
    assert parse_value(json.dumps(written)) == written


def test_an_override_is_read_as_the_file_would_be(tmp_path: Path) -> None:
    overrides = ["search.trials=7", "config.max_epochs=5", "search_space.x.uniform=[-1e-1, 0x3]", "config.data={a: on}"]
    study = load(tmp_path, TOY, overrides=overrides[:3], name="other")
    assert (study.study, study.search.trials, study.config) == ("other", 7, {"max_epochs": 5})  # type: ignore[attr-defined]
    assert study.search_space["x"].uniform == [-0.1, 3]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("search.trails=7", "search.trails: is no key here; did you mean trials?"),
        ("config.max_epoch=7", "config.max_epoch: is no field of ToyConfig; did you mean max_epochs?"),
        ("search.trials=07", "07 may be octal or not; write 7, or quote it"),
        ("search.trials='7'", "search.trials: must be a whole number, got '7'; write 7 without quotes"),
        ("search.trials=.inf", "must be a finite number, got .inf"),
        ("search.trials=&a 7", "anchors, aliases and tags are refused; write the value out"),
        ("search.trials=!!int 7", "anchors, aliases and tags are refused"),
        ("search.trials=[", "is no valid YAML: did not find expected node content; close the bracket"),
        ("search={trials: 1, trials: 2}", "trials: stands twice; keep one"),
        ("search.trials=" + "[" * 5000, "is nested more than 32 deep; flatten it"),
        ("config.kind=" + "[" + "a," * 10_000 + "]", "a study file has at most 10,000 keys and values"),
        ("config.kind=to\u202ey", "holds U+202E, right-to-left override"),
        ("search.trials", "takes key=value; for example --set search.trials=4"),
        ("search..trials=4", "takes key=value"),
        ("=4", "takes key=value"),
        ("study.name.x=4", "study is no group of settings, got 'toy'; set it as a whole"),
        ("study=../evil", "study: a study's name must match"),
        ("search_space.x.uniform=[9, 1]", "search_space.x: uniform takes [low, high] with low < high"),
    ],
)
def test_an_override_is_refused_by_the_same_rules_and_named(tmp_path: Path, setting: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(tmp_path, TOY, overrides=[setting])
    message = str(caught.value)
    assert said in message and message.isprintable()
    if "uniform" not in setting:  # a fault of two lines of the file is told where the group stands
        assert message.startswith(f"--set {setting.partition('=')[0]}")


def test_an_override_reaches_a_parameter_whose_name_has_a_dot(tmp_path: Path) -> None:
    text = TOY.replace("tests.toy:epochs", "train_fn.text:epochs").replace("maximize: score", "maximize: f1_macro")
    text = text.replace("  max_epochs: 3", "  data: {source: docstrings}\n  model: tiny")
    text = text[: text.index("  x: {")] + "  data.max_train_rows: {integer: [100, 200]}\nsearch: {trials: 2}\n"
    study = load(tmp_path, text, overrides=["search_space.data.max_train_rows.integer=[1, 5]"])
    assert study.search_space["data.max_train_rows"].integer == [1, 5]  # type: ignore[attr-defined]


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"study: \xb1", b"", b"- a\n- b\n", b"x" * 2_000_000])
def test_what_is_no_study_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "study.yaml"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        load_study(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such study file"):
        load_study(tmp_path / "none.yaml")


def test_the_ends_of_a_range_are_tried_only_where_its_condition_holds() -> None:
    space = Space(
        {
            "schedule": Parameter(Choice(("linear", "wsd"))),
            "cooldown_ratio": Parameter(Uniform(0.1, 0.5), (("schedule", ("wsd",)),)),
            "shape": Parameter(Choice(("root", "line")), (("cooldown_ratio", (0.5,)),)),
        }
    )
    assert corners(space) == [
        {"schedule": "linear"},
        {"schedule": "wsd", "cooldown_ratio": 0.1},
        {"schedule": "wsd", "cooldown_ratio": 0.5, "shape": "root"},
        {"schedule": "wsd", "cooldown_ratio": 0.5, "shape": "line"},
    ]


def test_a_model_that_is_not_there_is_refused_before_the_start(tmp_path: Path) -> None:
    text = TEXT.replace("  model: tiny\n", "").replace(
        "  learning_rate:", "  model: {choice: [tiny, ./nowhere]}\n  learning_rate:"
    )
    with pytest.raises(UsageError, match=r"7:3: search_space.model: `model` must name a folder that holds config.json"):
        load(tmp_path, text)

"""A bad study file gets one line: file, line, column, field, reason, way out."""

from pathlib import Path

import pytest

from hpo.errors import UsageError
from hpo.space import Choice, Parameter, Uniform, corners
from hpo.study_file import load_study

GOOD = """\
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


def load(folder: Path, text: str, **settings: object) -> object:
    path = folder / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return load_study(path, **settings)  # type: ignore[arg-type]


def test_a_good_file_loads(tmp_path: Path) -> None:
    study = load(tmp_path, GOOD)
    assert (study.study, study.search.trials, study.objective.metric) == ("toy", 2, "score")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("trials: 2", "trails: 2", "10:45: search.trails: is no key here; did you mean trials?"),
        ("max_epochs: 3", "max_epoch: 3", "5:3: config.max_epoch: is no field of ToyConfig; did you mean max_epochs?"),
        ("  x: {", "  xx: {", "7:3: search_space.xx: is no field of ToyConfig"),
        ("[-5, 5]", "[5, -5]", "7:3: search_space.x: uniform takes [low, high] with low < high, got [5.0, -5.0]"),
        ("uniform: [-5, 5]", "log_uniform: [0, 5]", "log_uniform needs low > 0, got [0.0, 5.0]"),
        ("uniform: [-5, 5]", "uniform: [-5]", "uniform takes [low, high], got [-5.0]"),
        ("[-5, 5]", "[-5, 50]", "7:3: search_space.x: `x` must be in [-10, 10], got 50.0; try 0"),
        ("uniform: [-5, 5]", "unifrom: [-5, 5]", "search_space.x.unifrom: is no key here; did you mean uniform?"),
        (
            "{uniform: [-5, 5]}",
            "{}",
            "takes exactly one of uniform, log_uniform, integer, log_integer, choice, got none",
        ),
        ("[plain, fancy]", "[plain]", "choice takes two or more different values"),
        ("kind: [plain]", "knd: [plain]", "search_space.y.when.knd: is no searched parameter; did you mean kind?"),
        ("kind: [plain]", "kind: [plane]", "'plane' is no choice of kind: plain, fancy"),
        ("searcher: random", "searcher: tpee", "'tpee' is no searcher; did you mean tpe?"),
        ("scheduler: fifo", "scheduler: asah", "'asah' is no scheduler; did you mean asha?"),
        ("scheduler: fifo", "scheduler: {asha: {first_run: 2}}", "did you mean first_rung?"),
        ("scheduler: fifo", "scheduler: {asha: {reduction_factor: 1}}", "`reduction_factor` must be at least 2, got 1"),
        ("trials: 2", "trials: 0", "greater than or equal to 1, got 0"),
        ("trials: 2", 'trials: "2"', 'valid integer, got "2"'),
        ("maximize: score", "maximize: score, minimize: cost", "takes one metric"),
        ("tests.toy:epochs", "tests.toy:epoch", "has no 'epoch'; did you mean epochs?"),
        ("tests.toy:epochs", "tests.toi:epochs", "2:1: trainable: no module 'tests.toi' to be found"),
        ("tests.toy:epochs", "epochs", "must read `module:function`, got 'epochs'"),
        ("study: toy", "study: ../evil", "a study's name must match"),
        ("study: toy\n", "", "1:1: study: is missing"),
        ("max_epochs: 3", "max_epochs: 3\n  max_epochs: 4", "6:3: config.max_epochs: stands twice, first in line 5"),
        ("max_epochs: 3", 'max_epochs: "3"', "config.max_epochs: input should be a valid integer, got '3'"),
        ("max_epochs: 3", "max_epochs: 3\n  x: 1.0", "config.x: is both fixed here and searched in search_space"),
        ("max_epochs: 3", "max_epochs: &a 3", "5:15: anchors, aliases and tags are refused"),
        ("max_epochs: 3", "max_epochs: !!python/object:os.system 3", "anchors, aliases and tags are refused"),
        ("max_epochs: 3", "max_epochs: .nan", "must be a finite number, got .nan"),
        ("max_epochs: 3", "max_epochs: [", "is no valid YAML"),
        ("max_epochs: 3", "max_epochs: " + "[" * 5000, "is nested more than 32 deep"),
        ("trials: 2}", "trials: 2}\nresources: {gpu: 1.5}", "gpu is auto, a share such as 0.5"),
        ("trials: 2}", "trials: 2}\nregistry: {model: a/b}", "registry.model"),
    ],
)
def test_a_bad_file_is_refused_with_its_place_and_the_way_out(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(UsageError) as caught:
        load(tmp_path, GOOD.replace(old, new, 1))
    message = str(caught.value)
    assert said in message
    assert "\n" not in message
    assert message.startswith(str(tmp_path / "study.yaml"))


@pytest.mark.parametrize(("text", "value"), [("1e-5", 1e-5), ("1.0e-3", 1e-3), (".5", 0.5), ("-2", -2), ("on", "on")])
def test_scalars_are_those_of_yaml_1_2(tmp_path: Path, text: str, value: object) -> None:
    from hpo.yaml_source import Source

    path = tmp_path / "scalar.yaml"
    path.write_text(f"key: {text}\n")
    assert Source(path).data == {"key": value}


def test_an_override_is_read_as_the_file_would_be(tmp_path: Path) -> None:
    study = load(tmp_path, GOOD, overrides=["search.trials=7", "config.max_epochs=5"], name="other")
    assert (study.study, study.search.trials, study.config) == ("other", 7, {"max_epochs": 5})  # type: ignore[attr-defined]


def test_a_misspelt_override_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean trials"):
        load(tmp_path, GOOD, overrides=["search.trails=7"])


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


TRAINING = """\
study: conditional
trainable: train_fn.text:epochs
objective: {maximize: f1_macro}
config: {data: {source: docstrings}, model: tiny}
search_space:
"""


def test_the_ends_of_a_range_are_tried_only_where_its_condition_holds() -> None:
    space = {
        "schedule": Parameter(Choice(("linear", "wsd"))),
        "cooldown_ratio": Parameter(Uniform(0.1, 0.5), (("schedule", ("wsd",)),)),
        "shape": Parameter(Choice(("root", "line")), (("cooldown_ratio", (0.5,)),)),
    }
    assert corners(space) == [
        {"schedule": "linear"},
        {"schedule": "wsd", "cooldown_ratio": 0.1},
        {"schedule": "wsd", "cooldown_ratio": 0.5, "shape": "root"},
        {"schedule": "wsd", "cooldown_ratio": 0.5, "shape": "line"},
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("hidden_dropout: {uniform: [0.0, 1.5]}", "`hidden_dropout` must be in [0, 1) or None, got 1.5; try None"),
        ("warmup_ratio: {uniform: [0.0, 2.0]}", "`warmup_ratio` must be in [0, 1], got 2.0; try 0.0"),
        (
            "loss: {choice: [cross_entropy, focl]}",
            "must be one of auto, cross_entropy, focal, mse, mae, huber, pairwise, listwise, got 'focl'; "
            "did you mean focal?",
        ),
        ("loss: {choice: [focal, mse]}", "`loss` must be one of cross_entropy, focal for classification, got mse"),
        ("freeze_blocks: {integer: [0, 5]}", "`freeze_blocks` must be at most the model's 2 blocks, got 5; try 2"),
        ("max_length: {integer: [64, 600]}", "`max_length` must be at most the model's 512, got 600; try 512"),
        ("ema_decay: {choice: [0.99, 1.0]}", "`ema_decay` must be in (0, 1) or None, got 1.0; try None"),
        ("model: {choice: [tiny, ./nowhere]}", "`model` must name a folder that holds config.json and *.safetensors"),
    ],
)
def test_a_value_that_training_would_refuse_fails_at_load(tmp_path: Path, line: str, said: str) -> None:
    head = TRAINING.replace(", model: tiny", "") if line.startswith("model") else TRAINING
    with pytest.raises(UsageError) as error:
        load(tmp_path, f"{head}  {line}\nsearch: {{trials: 2}}\n")
    assert f"study.yaml:6:3: search_space.{line.partition(':')[0]}: {said}" in str(error.value)
    assert "\n" not in str(error.value)

"""What a person hears of a bug in their trainable: what was raised, and by which of their own lines."""

import importlib
import json
from pathlib import Path

import pytest

from hpo.history import State
from hpo.raised import in_one_line
from tests.hpo.engines import new_engine, run, toy_study
from train_fn.errors import DataError

MINE = """\
import json
from dataclasses import dataclass


@dataclass
class Config:
    x: float = 0.0
    y: float = 0.0
    max_epochs: int = 1


def epochs(config: Config, resume_from=None):
    yield from json.loads("not JSON")
"""


def raised(error: BaseException) -> str:
    try:
        raise error
    except BaseException as caught:
        return in_one_line(caught)


def test_a_failed_trial_names_the_last_of_a_persons_own_lines_though_a_library_raised(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "models").mkdir()
    (folder / "models" / "mine_of_raised.py").write_text(MINE)
    monkeypatch.syspath_prepend(folder / "models")
    importlib.invalidate_caches()
    study = toy_study(trainable="mine_of_raised:epochs", search={"trials": 1, "scheduler": "fifo"})
    [trial] = run(new_engine(folder, study)).history.trials
    said = "JSONDecodeError: Expecting value: line 1 column 1 (char 0) (models/mine_of_raised.py:13)"
    assert (trial.state, trial.reason) == (State.FAILED, said)


def test_a_file_elsewhere_goes_by_its_name(folder: Path) -> None:
    line = raised.__code__.co_firstlineno + 2
    assert raised(KeyError("x")) == f"KeyError: 'x' (test_raised.py:{line})"
    assert raised(KeyError("x" * 9999)).endswith(f"xxx (test_raised.py:{line})"), "however much was said"


def test_an_error_of_ours_and_one_of_libraries_alone_name_no_line() -> None:
    assert raised(DataError("`x` must be y")) == "`x` must be y"
    with pytest.raises(ValueError) as caught:
        json.loads("not JSON")
    assert caught.value.__traceback__ is not None
    alone = caught.value.with_traceback(caught.value.__traceback__.tb_next)
    assert in_one_line(alone) == "JSONDecodeError: Expecting value: line 1 column 1 (char 0)"

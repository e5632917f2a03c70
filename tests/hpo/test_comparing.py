"""`hpo compare`: what is said of two studies beside each other."""

import json
from pathlib import Path
from typing import Any

import pytest

from hpo.comparing import compared, lines
from hpo.driver import start
from hpo.results import read
from tests import toy
from tests.hpo.engines import toy_study


def ran(name: str, **changes: Any) -> Any:
    start(toy_study(study=name, search={"searcher": "random", "scheduler": "fifo", "trials": 2}, **changes), text="",
          in_process=True)  # fmt: skip
    return read(name)


def test_what_differs_is_said_and_what_is_alike_is_not(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = ran("one")
    other = ran(
        "other",
        config={"max_epochs": 3},
        search_space={"x": {"uniform": [0.0, 5.0]}, "kind": {"choice": ["plain", "fancy"]}},
    )
    found = compared(one, other)
    assert json.loads(json.dumps(found)) == found, "for programs"
    assert found["same_data"] is True and found["same_objective"]
    assert found["settings"] == {"config.max_epochs": [9, 3]}
    assert found["space"].keys() == {"x", "y", "kind"} and found["space"]["kind"][0] is None
    assert [study["epochs"] for study in found["studies"]] == [18, 6]
    assert found["studies"][0]["best"] == one.history.winner(one.objective).value(one.objective)
    said = [*lines(found)]
    assert said[0].startswith("one: score ") and "of 2; 18 epochs" in said[0]
    assert "settings: config.max_epochs: 9 | 3" in said

    monkeypatch.setattr(toy, "FINGERPRINT", "4567")
    found = compared(one, ran("third", objective={"minimize": "cost"}))
    assert found["same_data"] is False
    assert [line for line in lines(found) if "differ" in line] == [
        "their objectives differ: the two values say nothing of each other",
        "their data differ (0123 and 4567): a difference may be of the rows",
    ]


def test_without_a_fingerprint_it_is_not_known_whether_the_data_are_the_same(folder: Path) -> None:
    one = ran("one")
    one.history.record["data"] = {}
    assert compared(one, one)["same_data"] is None
    assert any("is not known" in line for line in lines(compared(one, one)))
